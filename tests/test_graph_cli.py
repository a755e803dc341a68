"""The commands `nsl-tfx graph`: from files of examples to files, and what a mistake looks like."""

import dataclasses
import errno
import gzip
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from nsl_tfx.cli import main
from nsl_tfx.cli.graph import build
from nsl_tfx.configs import SimilarityGraphConfig
from nsl_tfx.graph import build_similarity_graph, read_graph
from nsl_tfx.io.tfrecords import frame_record


def invoke(*arguments, **settings):
    return CliRunner().invoke(main, ["graph", *map(str, arguments)], **settings)


def succeed(*arguments):
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


COUNT = 30
VECTORS = np.random.default_rng(0).normal(size=(COUNT, 4)).astype(np.float32)


def write_examples(path, rows=range(COUNT), skip=(), vectors=VECTORS):
    import tensorflow as tf

    records = []
    for row in rows:
        example = tf.train.Example()
        features = example.features.feature
        features["id"].bytes_list.value.append(b"%d" % row)
        features["embedding"].float_list.value.extend(vectors[row])
        features["label"].int64_list.value.append(row % 2)
        for name in skip:
            del features[name]
        records.append(frame_record(example.SerializeToString()))
    content = b"".join(records)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("examples")
    write_examples(folder / "a.tfr", range(10))
    write_examples(folder / "b.tfr.gz", range(10, COUNT))
    return str(folder / "*.tfr*")


@pytest.fixture(scope="module")
def folder(examples, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("graph") / "new" / "graph")
    succeed("build", examples, "--output", path, "--num-neighbors=3", "--label-feature=label")
    return path


def test_build_equals_the_kernels(folder):
    config = SimilarityGraphConfig(
        embedding_feature="embedding", label_feature="label", num_neighbors=3
    )
    graph = build_similarity_graph([b"%d" % i for i in range(COUNT)], VECTORS, config)
    found = read_graph(folder)
    assert found.ids == graph.ids
    for name in ("source", "target", "weight"):
        assert np.array_equal(getattr(found.edges, name), getattr(graph.edges, name))
    assert SimilarityGraphConfig.from_dict(found.info["config"]) == config
    assert found.info["metrics"]["label_agreement"]["labeled_nodes"] == COUNT


def test_build_prints_what_the_graph_is_like(examples, tmp_path):
    output = succeed("build", examples, "--output", tmp_path / "x")
    assert f"nodes             {COUNT}\n" in output
    assert output == succeed("stats", tmp_path / "x")


def test_every_setting_has_an_option():
    fields = {field.name for field in dataclasses.fields(SimilarityGraphConfig)}
    # Splits and models are a pipeline's.
    settings = fields - {"splits", "embedding_model"}
    options = {option.name: option for option in build.params}
    assert settings <= set(options)
    default = SimilarityGraphConfig(embedding_feature="embedding")
    for name in settings:
        assert options[name].default == getattr(default, name)


def test_the_order_of_examples_does_not_matter(examples, folder, tmp_path):
    write_examples(tmp_path / "z", range(COUNT - 1, 9, -1))
    first = Path(examples).parent / "a.tfr"
    succeed("build", tmp_path / "z", first, "--output", tmp_path / "x", "--num-neighbors=3",
            "--label-feature=label")  # fmt: skip
    for name in os.listdir(folder):
        assert (tmp_path / "x" / name).read_bytes() == (Path(folder) / name).read_bytes()


def test_stats_as_json(folder):
    found = json.loads(succeed("stats", folder, "--json"))
    assert found == read_graph(folder).info
    assert list(found) == sorted(found)
    degrees = [int(degree) for degree in found["metrics"]["degree_histogram"]]
    assert degrees == sorted(degrees)


@pytest.mark.parametrize("arguments", [[], ["--json"], ["--plot", "x.svg"]])
def test_stats_tells_of_no_graph_that_is_damaged(folder, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder, "graph")
    path = Path("graph", "edges-00000-of-00001.parquet")
    path.write_bytes(path.read_bytes()[:-9])
    result = invoke("stats", "graph", *arguments)
    assert result.exit_code == 2
    assert result.output.startswith(f"Error: Expected {path} to hold the ")
    assert os.listdir(tmp_path) == ["graph"]


def test_stats_draws(folder, tmp_path):
    output = succeed("stats", folder, "--plot", tmp_path / "x.png", "--plot", tmp_path / "y.svg")
    assert output == succeed("stats", folder)
    assert (tmp_path / "x.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "y.svg").read_text()


@pytest.mark.parametrize("form", ["tsv", "csv", "parquet", "tfgnn"])
def test_export(folder, tmp_path, form):
    edges = len(read_graph(folder).edges)
    path = tmp_path / f"x.{form}"
    output = succeed("export", folder, path, "--to", form)
    size = sum(one.stat().st_size for one in (path.iterdir() if form == "tfgnn" else [path]))
    shown = f"{size} bytes" if size < 1000 else f"{round(size / 1024)} KiB"
    assert output.startswith(f"Wrote {path} ({shown}): {edges} edges of {COUNT} nodes.\n")


@pytest.mark.parametrize(
    ("output", "form"),
    [("graph.json", "csv"), ("edges-00000-of-00001.parquet", "parquet"), ("", "tfgnn"),
     ("below/x.tsv", "tsv")],
)  # fmt: skip
def test_an_export_leaves_the_graph_alone(folder, tmp_path, monkeypatch, output, form):
    monkeypatch.chdir(tmp_path)
    os.symlink(folder, "link")
    before = {name: Path(folder, name).read_bytes() for name in os.listdir(folder)}
    result = invoke("export", folder, os.path.join("link", output), "--to", form)
    assert result.exit_code == 2
    assert "Error: Expected an output outside of the graph's folder" in result.output
    assert {name: Path(folder, name).read_bytes() for name in os.listdir(folder)} == before


def test_what_was_exported_can_be_imported(folder, tmp_path):
    for form in ("tsv", "csv", "parquet"):
        succeed("export", folder, tmp_path / f"x.{form}", "--to", form)
        succeed("import", tmp_path / f"x.{form}", "--output", tmp_path / form)
        found, expected = (read_graph(str(one)) for one in (tmp_path / form, folder))
        if form != "tsv":
            assert found.to_arrow() == expected.to_arrow()
        # TSV rounds weights, whose order may change then.
        assert found.to_csr()[0].todense() == pytest.approx(
            expected.to_csr()[0].todense(), abs=5.1e-7
        )


def import_with(examples, tmp_path, *options):
    (tmp_path / "x.tsv").write_text("0\t1\t1\n2\tnone\t1\n")
    result = invoke("import", tmp_path / "x.tsv", "--output", tmp_path / "out",
                    "--examples", examples, *options)  # fmt: skip
    return result.exit_code, " ".join(result.output.split())


@pytest.mark.parametrize(
    ("dangling", "nodes", "edges"), [("keep", COUNT + 1, 4), ("drop", COUNT, 2)]
)
def test_import_tells_of_ids_that_no_example_has(examples, tmp_path, dangling, nodes, edges):
    code, output = import_with(examples, tmp_path, f"--dangling={dangling}",
                               "--label-feature=label")  # fmt: skip
    assert code == 0
    assert f"nodes {nodes}, of which" in output
    assert f"edges {edges}, joining" in output
    assert "unknown ids 1, at 2 edges, such as none" in output
    assert "label agreement" in output
    graph = read_graph(str(tmp_path / "out"))
    expected = {b"0", b"1"} | ({b"2", b"none"} if dangling == "keep" else set())
    assert set(graph.ids) == expected
    assert graph.info["nodes"] == nodes


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--dangling=error"], "Received 2 edges of 1 ids that no example has"),
        (["--id-feature=ids"], "Did you mean 'id'?"),
        (["--label-feature=labels"], "Did you mean 'label'? Name another --label-feature"),
        (["--examples=none.tfr"], "Received: 'none.tfr', but there is no such file."),
    ],
)
def test_import_with_examples_that_do_not_fit(examples, tmp_path, options, text):
    code, output = import_with(examples, tmp_path, *options)
    assert (code, text in output) == (2, True), output
    assert not (tmp_path / "out").exists()


def test_packing_what_was_exported(examples, folder, tmp_path):
    import tensorflow as tf

    from nsl_tfx.io import read_record_blocks

    succeed("export", folder, tmp_path / "x.tsv", "--to", "tsv")
    output = succeed(
        "pack", examples, "", tmp_path / "x.tsv", tmp_path / "y.gz", "--max-neighbors=2"
    )
    size = round((tmp_path / "y.gz").stat().st_size / 1024)
    assert output == (
        f"Wrote {tmp_path}/y.gz ({size} KiB): {COUNT} examples with {2 * COUNT} neighbors, 0 of "
        "them without one.\n"
    )
    blocks = read_record_blocks(str(tmp_path / "y.gz"))
    records = [record for _, _, part in blocks for record in part]
    assert len(records) == COUNT
    features = tf.train.Example.FromString(records[0]).features.feature
    assert features["NL_num_nbrs"].int64_list.value == [2]


def test_an_empty_graph_is_told_of(examples, tmp_path):
    (tmp_path / "x.tsv").write_text("")
    output = succeed("pack", examples, "", tmp_path / "x.tsv", tmp_path / "y")
    assert output.endswith("with 0 neighbors, 30 of them without one; the graph has no edges.\n")


def test_a_graphs_folder_is_no_file_of_edges(examples, folder, tmp_path):
    for command in (["pack", examples, "", folder, tmp_path / "y"],
                    ["import", folder, "--output", tmp_path / "y"]):  # fmt: skip
        result = invoke(*command)
        assert result.exit_code == 2
        assert f"nsl-tfx graph export {folder} graph.tsv --to tsv." in result.output


def test_a_damaged_parquet_file_is_named(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1 and no more")
    result = invoke("import", tmp_path / "x.parquet", "--output", tmp_path / "y")
    assert result.exit_code == 2
    assert f"Error: Expected {tmp_path}/x.parquet to be a Parquet file." in result.output


GRAPH_COMMANDS = ["build", "import", "stats", "pack", "export"]


@pytest.mark.parametrize("command", GRAPH_COMMANDS)
def test_help_shows_an_example(command):
    lines = succeed(command, "--help").splitlines()
    (place,) = [n for n, one in enumerate(lines) if one.startswith("  Example: nsl-tfx graph ")]
    assert lines[place].startswith(f"  Example: nsl-tfx graph {command} ")
    assert not lines[place + 1]  # which would be the rest of a wrapped line


def test_help_names_the_commands():
    output = succeed("--help")
    assert all(f"\n  {command} " in output for command in GRAPH_COMMANDS)
    assert "..." not in output.partition("Commands:")[2]  # a line that was cut


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build"], "Missing argument 'EXAMPLES...'"),
        (["build", "x"], "Missing option '--output'"),
        (["build", "none", "--output", "out"], "Received: 'none', but there is no such file."),
        (["build", "none", "--output", "out", "--method=best"], "'best' is not one of"),
        (["build", "none", "--output", "out", "--num-neighbors=0"], "not in the range"),
        (["build", "none", "--output", "out", "--similarity-threshold=2"],
         "Error: Expected --similarity-threshold in [-1, 1]"),
        (["stats"], "Missing argument 'FOLDER'"),
        (["stats", "none"], "Received: 'none', which does not exist."),
        (["stats", "."], "graph.json is missing"),
        (["stats", "none", "--plot", "x.pdf"], "to end in .png or .svg"),
        (["export", "none", "x"], "Missing option '--to'"),
        (["export", "none", "x", "--to", "json"], "'json' is not one of"),
        (["export", "none", "x", "--to", "tsv"], "Received: 'none', which does not exist."),
        (["import", "none.tsv", "--output", "out"], "none.tsv"),
        (["import", "x", "--output", "out", "--dangling=drop"], "add --examples"),
        (["import", "x", "x", "--output", "out"], "FILES"),
        (["build", "none", "--output", ""], "Expected a folder. Received: ''."),
        (["import", "none.tsv", "--output", ""], "Expected a folder. Received: ''."),
        (["import", "x", "--output", "out", "--weight=w", "--no-weights"], "give one of both"),
        (["build", "x", "--output", "out", "--embedding-feature=id"], "two different features"),
        (["build", "none", "--output", "x" * 300], "(File name too long). Choose another --o"),
        (["pack", "a", "b", "c", "x" * 300], "(File name too long). Choose another OUTPUT"),
        (["export", "none", "x" * 300, "--to=csv"], "Choose another OUTPUT"),
        (["stats", ""], "Expected a folder. Received: ''."),
        (["pack", "a", "b", "c"], "Missing argument 'OUTPUT'"),
        (["pack", "a", "b", "c", "d"], "Received: 'a', but there is no such file."),
        (["no-such-command"], "No such command"),
    ],
)  # fmt: skip
def test_mistakes(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert "Traceback" not in result.output
    assert not list(tmp_path.iterdir())


def test_an_example_without_its_vector_is_named_and_nothing_is_written(tmp_path):
    write_examples(tmp_path / "x", skip=["embedding"])
    result = invoke("build", tmp_path / "x", "--output", tmp_path / "graph")
    assert result.exit_code == 2
    assert "Error: Expected the feature 'embedding' in the examples of" in result.output
    assert "with the features: 'id', 'label'. Name the feature that holds" in result.output
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("invalid", ["error", "drop"])
@pytest.mark.parametrize(
    ("option", "near"), [("id", "id"), ("embedding", "embedding"), ("label", "label")]
)
def test_a_wrong_feature_is_told_beside_those_that_there_are(
    examples, tmp_path, option, near, invalid
):
    result = invoke("build", examples, "--output", tmp_path / "x", f"--{option}-feature={near}s",
                    f"--invalid-examples={invalid}")  # fmt: skip
    assert result.exit_code == 2
    assert f"Expected the feature '{near}s' in the examples of" in result.output
    assert "features: 'embedding', 'id', 'label'." in result.output
    assert f"Did you mean '{near}'?" in result.output
    assert f"--{option}-feature" in result.output


def test_settings_are_called_as_the_options_that_were_typed(tmp_path):
    (tmp_path / "x.tsv").write_text("source\ttarget\n1\t2\n")
    (tmp_path / "x.csv").write_text("from,to\n1,2\n")
    for name, text in {"x.tsv": "Set --header if they are, and --no-header if they are ids.",
                       "x.csv": "Name the one that holds it in --source."}.items():  # fmt: skip
        result = invoke("import", tmp_path / name, "--output", tmp_path / "out")
        assert text in result.output
        assert "b'" not in result.output


def test_import_tells_which_features_examples_have(examples, tmp_path):
    result = invoke("import", examples, "--format=examples", "--output", tmp_path / "out")
    assert result.exit_code == 2
    assert "Expected the feature '#source'" in result.output
    assert "'embedding', 'id', 'label'. Name the one that holds the source's id in --source." in (
        result.output
    )


def test_examples_that_cannot_be_nodes_are_dropped_on_demand(examples, tmp_path):
    import tensorflow as tf

    odd = [{"id": [b"x"]}, {"embedding": [1, 2, 3, 4]}]
    odd += [{"id": [b"%d" % i], "embedding": v} for i, v in enumerate(
        [[0] * 4, [1] * 5, [np.nan] * 4, [1, 2, np.inf, 3]], start=100)]  # fmt: skip
    records = []
    for features in odd:
        example = tf.train.Example()
        example.features.feature["id"].bytes_list.value.extend(features.get("id", []))
        values = features.get("embedding", [])
        example.features.feature["embedding"].float_list.value.extend(values)
        records.append(frame_record(example.SerializeToString()))
    (tmp_path / "odd").write_bytes(b"".join(records))
    for name, files in {"with": [examples, tmp_path / "odd"], "without": [examples]}.items():
        succeed("build", *files, "--output", tmp_path / name, "--invalid-examples=drop")
    found, expected = (read_graph(str(tmp_path / name)) for name in ("with", "without"))
    assert found.to_arrow() == expected.to_arrow()
    drops = {"missing_id": 1, "missing_vector": 1, "zero": 1, "not_finite": 2, "other_dimension": 1}
    assert found.info["drops"] == {**expected.info["drops"], **drops}
    write_examples(tmp_path / "zeros", [0], vectors=np.zeros((1, 4)))
    result = invoke("build", tmp_path / "zeros", "--output", tmp_path / "x",
                    "--invalid-examples=drop")  # fmt: skip
    assert "1 examples, all of which were dropped: 1 whose vector is zero" in result.output
    assert "Set --invalid-examples error to be told" in result.output
    result = invoke("build", tmp_path / "odd", "--output", tmp_path / "x")
    assert result.exit_code == 2
    assert "record 1, counted from 0, of" in " ".join(result.output.split())


def test_a_folder_that_cannot_be_written_to(examples, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    result = invoke("build", examples, "--output", tmp_path / "file" / "below")
    assert (result.exit_code, result.output[:45]) == (
        2,
        "Error: Expected a folder that can be written ",
    )

    def refuse(**_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    result = invoke("build", examples, "--output", tmp_path)
    assert result.exit_code == 2
    assert "(Read-only file system). Choose another --output." in result.output


@pytest.mark.parametrize(
    "command",
    [["stats", "graph", "--plot", "file/x.png"], ["pack", "a", "", "b", "file/x"],
     ["export", "graph", "file/x", "--to=tsv"], ["export", "graph", "file/x", "--to=tfgnn"]],
)  # fmt: skip
def test_a_place_below_a_file_cannot_be_written_to(folder, tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    os.symlink(folder, "graph")
    (tmp_path / "file").write_text("")
    result = invoke(*command)
    assert result.exit_code == 2
    assert "that can be written to. Received: 'file/x" in result.output
    assert "Errno" not in result.output


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a,b,1\n", [], "Or, if that line is an edge already, set --no-header."),
        ("\x1b[1mx,y\n", [], r"Received the columns: \x1b[1mx, y."),
        ("source,target,weight\na,b,x\x1b\n", [], r"Received 'x\x1b' where the weight"),
        ("source,target\n,b\n", ["--invalid-edges=drop"], "1 that are no edges (--invalid-edges)"),
        ("source,target\nb,b\n", ["--self-loops=drop"], "1 from a node to itself (--self-loops)"),
    ],
)
def test_files_of_edges_that_do_not_fit(tmp_path, text, options, message):
    (tmp_path / "x.csv").write_text(text)
    result = invoke("import", tmp_path / "x.csv", "--output", tmp_path / "out", *options)
    assert result.exit_code == 2
    assert message in result.output


def test_a_tab_may_be_typed_by_name(tmp_path):
    (tmp_path / "x.csv").write_text("source\ttarget\n\x1b[1m\tb\n")
    output = succeed("import", tmp_path / "x.csv", "--output", tmp_path / "out", r"--delimiter=\t")
    assert "nodes             2" in output


def test_ids_do_not_steer_the_terminal(examples, tmp_path):
    (tmp_path / "x.tsv").write_text("0\t\x1b[1mx\n")
    output = succeed("import", tmp_path / "x.tsv", "--output", tmp_path / "y",
                     "--examples", examples)  # fmt: skip
    assert r"such as \x1b[1mx" in output
    assert "\x1b" not in output


def test_a_defect_keeps_its_traceback(folder, monkeypatch):
    from nsl_tfx.graph.reporting import summary

    monkeypatch.setattr(summary, "summarize", lambda folder: folder + 1)
    assert isinstance(invoke("stats", folder).exception, TypeError)


def test_an_interrupt_exits_with_130(folder, monkeypatch):
    from nsl_tfx.graph.reporting import summary

    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(summary, "summarize", stop)
    result = invoke("stats", folder)
    assert result.exit_code == 130
    assert "Stopped." in result.output
