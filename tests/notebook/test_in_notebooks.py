"""Notebooks that are executed: a small graph built in TFX's InteractiveContext, and shown."""

import json

import pytest

from tests.notebook.test_views import make_example
from tests.robustness.results import make_result

nbclient = pytest.importorskip("nbclient")
nbformat = pytest.importorskip("nbformat")
pytestmark = [pytest.mark.tfx, pytest.mark.slow]

BUILD = """
from tfx import v1 as tfx
from tfx.orchestration.experimental.interactive.interactive_context import InteractiveContext
from nsl_tfx.components import GraphBuilder, RobustnessEvaluation
from nsl_tfx.configs import SimilarityGraphConfig

context = InteractiveContext(
    pipeline_name="notes", pipeline_root="root",
    beam_pipeline_args=["--runner=FnApiRunner", "--sdk_container_image=local"])
# One split alone would be parted at random.
splits = [tfx.proto.Input.Split(name=name, pattern=f"{name}*") for name in ("train", "eval")]
gen = tfx.components.ImportExampleGen(
    input_base="data", input_config=tfx.proto.Input(splits=splits))
context.run(gen)
config = SimilarityGraphConfig(
    embedding_feature="vector", splits=("train",), num_neighbors=2, method="exact")
graph = GraphBuilder(examples=gen.outputs["examples"], config=config)
context.run(graph)
"""
GRAPH = "context.show(graph.outputs['graph'])"
EVALUATION = """
from tfx.types import channel_utils
evaluation = RobustnessEvaluation()
evaluation.uri = "evaluation"
context.show(channel_utils.as_channel([evaluation]))
"""
PLAIN = """
from nsl_tfx import metadata, notebook
store = metadata.open_store("root")
uri = metadata.artifacts(store, "NeighborGraph")["uri"].iloc[-1]
notebook.show_graph(uri, nodes=1)
metadata.runs(store)
"""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """The HTML that each cell of a notebook has shown."""
    from nsl_tfx.io.records import write_records
    from nsl_tfx.robustness.reporting.files import save

    folder = tmp_path_factory.mktemp("notebook")
    (folder / "data").mkdir()
    records = [make_example(f"n{i}", vector=[1.0, 0.1 * i], words=[f"word{i}"]) for i in range(12)]
    write_records(str(folder / "data" / "train.gz"), records)
    write_records(str(folder / "data" / "eval.gz"), records[:1])
    save(make_result(), str(folder / "evaluation"))
    cells = [BUILD, GRAPH, EVALUATION, PLAIN]
    written = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(one) for one in cells])
    client = nbclient.NotebookClient(
        written, timeout=600, resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    return [
        "".join(one.get("data", {}).get("text/html", "") for one in cell.outputs)
        for cell in written.cells
    ]


def test_context_shows_a_graph_with_its_examples(outputs):
    shown = outputs[1]
    assert "Artifact at root" in shown
    assert "<b>12</b>nodes" in shown
    assert "data:image/png;base64," in shown
    # By the notebook's own metadata.
    assert "words: word" in shown
    assert "vector: 1, " in shown


def test_context_shows_an_evaluation(outputs):
    assert "under attack" in outputs[2]
    assert "nsl-verdict nsl-pass" in outputs[2]
    assert "data:image/png;base64," in outputs[2]


def test_the_notebooks_metadata_are_read_in_it(outputs):
    assert "Some nodes" in outputs[3]
    assert "interactive" in outputs[3]


def test_notebooks_are_json(outputs):
    assert json.loads(json.dumps(outputs)) == outputs
