"""Graphs in real pipelines on real data: Cora's citations, digits by pixels, reviews by words.

Each pipeline runs once; the tests look at what it left.
"""

import gzip
from pathlib import Path

import numpy as np
import pytest

from nsl_tfx.configs import (
    AugmentConfig,
    GraphImportConfig,
    GraphNeighborConfig,
    IdentifyConfig,
    SimilarityGraphConfig,
)
from nsl_tfx.graph import read_edges, read_graph_info

pytestmark = [pytest.mark.tfx, pytest.mark.slow]

DATA = Path(__file__).parents[2].parent / "shared" / "data"
NEIGHBORS = GraphNeighborConfig(max_neighbors=3)


def unzipped(name):
    return gzip.decompress((DATA / name).read_bytes())


def cora():
    """A paper's words and class; ids, and the splits that the data name."""
    lines = unzipped("cora/nodes.tsv.gz").decode().splitlines()
    splits = {}
    for paper, label, split, words in (line.split("\t") for line in lines):
        row = {
            "id": [paper.encode()],
            "label": [int(label)],
            "words": list(map(int, words.split())),
        }
        splits.setdefault("train" if split == "other" else split, []).append(row)
    return splits


def digits(count=1500):
    images = np.frombuffer(unzipped("mnist10k/t10k-images-idx3-ubyte.gz")[16:], np.uint8)
    labels = np.frombuffer(unzipped("mnist10k/t10k-labels-idx1-ubyte.gz")[8:], np.uint8)
    pixels = images.reshape(-1, 784)[:count].astype(np.float32) / 255
    rows = [
        {"id": [b"digit-%04d" % i], "label": [int(label)], "image": image.tolist()}
        for i, (image, label) in enumerate(zip(pixels, labels, strict=False))
    ]
    return {"train": rows[: count * 4 // 5], "eval": rows[count * 4 // 5 :]}


def reviews(count=600):
    """Sentences without ids, some of them twice, and their words reduced to 24 dimensions."""
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = {
        label: (DATA / f"movie_reviews/rt-polarity.{end}").read_text("latin-1").split("\n")[:count]
        for label, end in ((1, "pos"), (0, "neg"))
    }
    lines = [(line, label) for label, part in texts.items() for line in part]
    lines += lines[:5]
    vectors = TfidfVectorizer(min_df=2).fit_transform([line for line, _ in lines])
    vectors = TruncatedSVD(24, random_state=0).fit_transform(vectors).astype(np.float32)
    rows = [
        {"text": [line.encode()], "label": [label], "embedding": vector.tolist()}
        for (line, label), vector in zip(lines, vectors, strict=True)
    ]
    return {"train": rows[::2], "eval": rows[1::2]}


def write(folder, splits):
    import tensorflow as tf

    for split, rows in splits.items():
        (folder / split).mkdir(parents=True)
        with tf.io.TFRecordWriter(str(folder / split / "data.tfrecord")) as writer:
            for row in rows:
                example = tf.train.Example()
                for name, values in row.items():
                    feature = example.features.feature[name]
                    kinds = {bytes: "bytes_list", float: "float_list", int: "int64_list"}
                    getattr(feature, kinds[type(values[0])]).value.extend(values)
                writer.write(example.SerializeToString())


def graph_of(name, folder, examples, schema):
    """Returns the nodes that make the graph, and the features that neighbors carry."""
    from nsl_tfx.components import GraphBuilder, GraphImporter

    if name == "cora":
        path = str(DATA / "cora/edges.tsv.gz")
        config = GraphImportConfig(paths=(path,), label_feature="label")
        return GraphImporter(config=config, examples=examples), ("words",)
    config = SimilarityGraphConfig(
        embedding_feature="image" if name == "digits" else "embedding",
        label_feature="label",
        num_neighbors=5,
        splits=("train", "eval") if name == "reviews" else ("train",),
        similarity_threshold=0.3,
        # Some sentences share no word with others: their vectors are zero.
        invalid_examples="drop",
    )
    features = ("image",) if name == "digits" else ("embedding", "text")
    return GraphBuilder(examples=examples, config=config, schema=schema), features


def run(name, load, folder):
    from rich.console import Console
    from tfx import v1 as tfx

    from nsl_tfx.components import ExampleIdentifier, NeighborAugmenter
    from nsl_tfx.metadata import last_outputs, open_store
    from nsl_tfx.pipelines.parts import LOCAL_BEAM_ARGS
    from nsl_tfx.pipelines.runners.local import run_locally

    splits = load()
    write(folder / "data", splits)
    patterns = [tfx.proto.Input.Split(name=split, pattern=f"{split}/*") for split in splits]
    gen = tfx.components.ImportExampleGen(
        input_base=str(folder / "data"), input_config=tfx.proto.Input(splits=patterns)
    )
    examples = gen.outputs["examples"]
    statistics = tfx.components.StatisticsGen(examples=examples)
    schema_gen = tfx.components.SchemaGen(statistics=statistics.outputs["statistics"])
    schema = schema_gen.outputs["schema"]
    nodes = [gen, statistics, schema_gen]
    if name == "reviews":
        identifier = ExampleIdentifier(examples=examples, schema=schema, config=IdentifyConfig())
        examples, schema = identifier.outputs["examples"], identifier.outputs["schema"]
        nodes.append(identifier)
    graph, features = graph_of(name, folder, examples, schema)
    augmenter = NeighborAugmenter(
        examples=examples,
        graph=graph.outputs["graph"],
        schema=schema,
        config=AugmentConfig(features=features, neighbors=NEIGHBORS),
    )
    augmented = tfx.components.StatisticsGen(
        examples=augmenter.outputs["examples"], schema=augmenter.outputs["schema"]
    ).with_id("StatisticsGen.augmented")
    validator = tfx.components.ExampleValidator(
        statistics=augmented.outputs["statistics"], schema=augmenter.outputs["schema"]
    )
    metadata = str(folder / "metadata.sqlite")
    pipeline = tfx.dsl.Pipeline(
        pipeline_name=name,
        pipeline_root=str(folder / "artifacts"),
        components=[*nodes, graph, augmenter, augmented, validator],
        metadata_connection_config=tfx.orchestration.metadata.sqlite_metadata_connection_config(
            metadata
        ),
        beam_pipeline_args=list(LOCAL_BEAM_ARGS),
    )
    with open(folder / "nodes.txt", "w") as file:
        run_locally(pipeline, Console(file=file))
    return last_outputs(open_store(metadata), name)


LOADERS = {"cora": cora, "digits": digits, "reviews": reviews}


@pytest.fixture(scope="module", params=LOADERS)
def outputs(request, tmp_path_factory):
    if not DATA.exists():
        pytest.skip(f"Real data are missing: {DATA}")
    name = request.param
    found = run(name, LOADERS[name], tmp_path_factory.mktemp(name))
    graph = next(found[node] for node in ("GraphBuilder", "GraphImporter") if node in found)
    return name, {**found, "graph": graph["graph"]}


def test_tfdv_finds_no_anomaly_in_the_augmented_examples(outputs):
    name, found = outputs
    blessed = found["ExampleValidator"]["anomalies"].properties["blessed"]
    splits = {"cora": {"train", "val", "test"}}.get(name, {"train", "eval"})
    assert blessed == dict.fromkeys(splits, 1)


EXPECTED = {
    "cora": {"nodes": 2708, "edges": 2 * 5278, "agreement": (0.78, 0.84)},
    "digits": {"nodes": 1200, "edges": None, "agreement": (0.8, 1)},
    "reviews": {"nodes": 1202, "edges": None, "agreement": (0.5, 0.75)},
}


def test_the_graph_is_as_it_should_be(outputs):
    name, found = outputs
    expected = EXPECTED[name]
    info = read_graph_info(found["graph"].uri)
    assert info["nodes"] == found["graph"].properties["nodes"] == expected["nodes"]
    table = read_edges(found["graph"].uri)
    assert len(table) == info["edges"] == found["graph"].properties["edges"]
    if expected["edges"]:
        assert info["edges"] == expected["edges"]
    agreement = info["metrics"]["label_agreement"]
    low, high = expected["agreement"]
    assert low < agreement["share"] <= high
    assert agreement["chance"] < agreement["low"]
    if name != "cora":
        assert found["graph"].properties["recall"] == 1


def test_training_examples_got_neighbors_and_others_none(outputs):
    import tensorflow as tf

    name, found = outputs
    uri = Path(found["NeighborAugmenter"]["examples"].uri)
    counts = {}
    for folder in uri.glob("Split-*"):
        files = sorted(map(str, folder.glob("*")))
        numbers = []
        for record in tf.data.TFRecordDataset(files, "GZIP").as_numpy_iterator():
            features = tf.train.Example.FromString(record).features.feature
            (number,) = features["NL_num_nbrs"].int64_list.value
            numbers.append(number)
            carried = {key for key in features if key.startswith("NL_nbr_")}
            assert len([key for key in carried if key.endswith("_weight")]) == number
        counts[folder.name[6:]] = numbers
    train = counts.pop("train")
    assert max(train) == 3
    assert np.mean(train) > (1.5 if name == "cora" else 2)
    assert {number for numbers in counts.values() for number in numbers} == {0}


def test_equal_reviews_are_nodes_of_their_own(outputs):
    name, found = outputs
    if name != "reviews":
        return
    assert found["ExampleIdentifier"]["examples"].properties["duplicates"] == 5
    assert found["graph"].properties["dropped_zero"] == 3
    assert found["graph"].properties["cross_split_edges"] > 0
