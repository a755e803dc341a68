"""What the README says is true."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "benchmarks/README.md"])
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
    (code,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    exec(code, names)
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
