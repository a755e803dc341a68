"""What docs/pipelines.md says is true."""

import importlib
import inspect
import re
from pathlib import Path

import pytest

from nsl_tfx.pipelines.starter import KINDS

GUIDE = Path(__file__).parents[2] / "docs/pipelines.md"
TEXT = GUIDE.read_text(encoding="utf-8")
CASES = sorted({kind.case for kind in KINDS.values()})


def rows_of(first):
    """Returns the rows of the one table whose head begins with a word: lists of cells."""
    (table,) = re.findall(rf"^(\| {first} \|(?:.*\|\n)+)", TEXT, re.MULTILINE)
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()]
    return [lines[0], *lines[2:]]


def test_each_kind_has_its_row():
    told = {kind.strip("`"): case.split("`")[1] for _, kind, case, _ in rows_of("you have")[1:]}
    assert told == {name: kind.case for name, kind in KINDS.items()}


def test_the_data_are_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (program,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(program, {})
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == [
        "citations.tsv", "eval", "test", "train",
    ]  # fmt: skip


def test_data_of_ones_own_are_taken_by_arguments_that_there_are():
    for case, cell in rows_of("pipeline")[1:]:
        for function, arguments in re.findall(r"`(write_\w+)\((.*?)\)`", cell):
            module = importlib.import_module(f"nsl_tfx.pipelines.{case}.data")
            names = re.findall(r"(\w+)=", arguments)
            assert names
            assert set(names) <= set(inspect.signature(getattr(module, function)).parameters)


@pytest.mark.tfx
@pytest.mark.parametrize("case", CASES)
class TestThePipelines:
    def test_the_arguments_are_told(self, case):
        module = importlib.import_module(f"nsl_tfx.pipelines.{case}.pipeline")
        told = {row[0].strip("`"): row[1] for row in rows_of("argument")[1:]}
        names = set(inspect.signature(module.create_pipeline).parameters)
        assert names == {name for name in told if f"of `{case}`" in told[name]} | {
            name for name in told if not told[name].startswith("of `")
        }

    def test_the_nodes_are_told(self, case, tmp_path):
        module = importlib.import_module(f"nsl_tfx.pipelines.{case}.pipeline")
        pipeline = module.create_pipeline(str(tmp_path), str(tmp_path / "data"))
        ids = {node.id for node in pipeline.components}
        head, *rows = rows_of("node")
        told = set()
        for row in rows:
            cell = row[head.index(case)]
            names = re.sub(r":.*", "", row[0]).split(", ")
            if not cell or names == ["ExampleGen"]:
                continue
            told |= {cell} if names == ["graph"] else set(names)
        assert {name for name in ids if not name.endswith("ExampleGen")} == told
        kind = {"TFRecord": "ImportExampleGen", "CSV": "CsvExampleGen"}
        assert kind[rows[0][head.index(case)]] in ids
