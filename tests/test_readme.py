"""What the README says is true."""

import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
GRAPHS = (ROOT / "docs/graphs.md").read_text(encoding="utf-8")


DOCUMENTS = ["README.md", "CONTRIBUTING.md", "benchmarks/README.md", "docs/graphs.md"]
LINKING = [*DOCUMENTS, *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]


@pytest.mark.parametrize("document", dict.fromkeys(LINKING))
def test_links_lead_somewhere(document):
    text = (ROOT / document).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith("http"):
            assert ((ROOT / document).parent / target).exists(), target


def test_the_commands_are_there():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    documents = README + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for line in re.findall(r"^make ([a-z -]+?)(?: +#.*)?$", documents, re.MULTILINE):
        for target in line.split():
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_help_tells_of_every_setting():
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"^([a-z-]+):", makefile, re.MULTILINE):
        assert re.search(rf"^{target} +[a-z]", done.stdout, re.MULTILINE), target
    assert "ARGS=" in done.stdout
    assert "STACK=1.16|1.21" in done.stdout


def code_with(text, document=README):
    """Returns the one Python example that holds the text."""
    (code,) = (c for c in re.findall(r"```python\n(.*?)```", document, re.DOTALL) if text in c)
    return code


@pytest.mark.slow
@pytest.mark.parametrize("keras_import", ["import keras", "from tensorflow import keras"])
def test_the_program_learns(keras_import, tmp_path, monkeypatch):
    """On digits of the size of MNIST's, which no network is needed for."""
    import keras
    import numpy as np
    from sklearn import datasets

    digits = datasets.load_digits()
    images = np.kron(digits.images, np.ones((1, 3, 3)))
    images = np.pad(images, ((0, 0), (2, 2), (2, 2))) * 255 / 16
    data = (images[:1437], digits.target[:1437]), (images[1437:], digits.target[1437:])
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: data)
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(0)
    names = {}
    exec(code_with("AdversarialRegularization(model").replace("import keras", keras_import), names)
    history = names["adv_model"].history.history
    assert set(history) == {
        "loss",
        "sparse_categorical_crossentropy",
        "sparse_categorical_accuracy",
        "scaled_adversarial_loss",
    }
    x, y = names["x_test"], names["y_test"]
    accuracy = names["adv_model"].evaluate({"feature": x, "label": y}, verbose=0)[2]
    assert accuracy > 0.85
    assert keras.models.load_model("plain.keras").evaluate(x, y, verbose=0)[1] == accuracy


@pytest.mark.tfx
def test_the_example_makes_a_pipeline(tmp_path, monkeypatch):
    from tfx import v1 as tfx

    (tmp_path / "my_package.py").write_text("def make_model(config): ...")
    monkeypatch.syspath_prepend(tmp_path)
    example_gen = tfx.components.ImportExampleGen(input_base=str(tmp_path))
    statistics_gen = tfx.components.StatisticsGen(examples=example_gen.outputs["examples"])
    schema_gen = tfx.components.SchemaGen(statistics=statistics_gen.outputs["statistics"])
    names = {
        "examples": example_gen.outputs["examples"],
        "schema": schema_gen.outputs["schema"],
    }
    exec(code_with("GraphBuilder("), names)
    pusher = tfx.components.Pusher(
        model=names["trainer"].outputs["model"],
        model_blessing=names["gate"].outputs["blessing"],
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(base_directory=str(tmp_path))
        ),
    )
    nodes = [names[name] for name in ("graph", "augmenter", "trainer", "gate")]
    tfx.dsl.Pipeline(
        pipeline_name="readme",
        pipeline_root=str(tmp_path),
        components=[example_gen, statistics_gen, schema_gen, *nodes, pusher],
    )


@pytest.mark.parametrize("document", dict.fromkeys(LINKING))
def test_the_command_lines_parse(document):
    from nsl_tfx.cli import main

    text = (ROOT / document).read_text(encoding="utf-8").replace("\\\n", " ")
    for line in re.findall(r"^nsl-tfx (.*?)(?: +#.*)?$", text, re.MULTILINE):
        context, command, rest = None, main, shlex.split(line)
        while isinstance(command, click.Group):
            context = command.make_context(command.name, rest, parent=context)
            # A group keeps its subcommand's name apart from what follows.
            rest = [*context._protected_args, *context.args]
            _, command, rest = command.resolve_command(context, rest)
        command.make_context(command.name, rest, parent=context)


@pytest.mark.tfx
def test_the_graph_components_make_a_pipeline(tmp_path):
    from tfx import v1 as tfx

    example_gen = tfx.components.ImportExampleGen(input_base=str(tmp_path))
    statistics_gen = tfx.components.StatisticsGen(examples=example_gen.outputs["examples"])
    schema_gen = tfx.components.SchemaGen(statistics=statistics_gen.outputs["statistics"])
    names = {
        "examples": example_gen.outputs["examples"],
        "schema": schema_gen.outputs["schema"],
    }
    exec(code_with("ExampleIdentifier(", GRAPHS), names)
    nodes = [names["embedded"].with_id("embedded")]
    nodes += [names[name] for name in ("identifier", "builder", "importer", "augmenter")]
    tfx.dsl.Pipeline(
        pipeline_name="graphs",
        pipeline_root=str(tmp_path),
        components=[example_gen, statistics_gen, schema_gen, *nodes],
    )


def test_the_graph_programs_run(tmp_path, monkeypatch):
    from nsl_tfx.graph import Graph

    monkeypatch.chdir(tmp_path)
    Graph.from_edges([b"a", b"b"], [b"b", b"c"], [0.5, 0.25]).write("graph")
    names = {}
    exec(code_with("to_pandas(", README), names)
    assert len(names["frame"]) == 2
    exec(code_with("plot_graph(", GRAPHS), {})
    assert (tmp_path / "graph.svg").exists()
