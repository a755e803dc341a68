import contextlib
import json
import sqlite3
import subprocess
import sys

import pytest
from click.testing import CliRunner
from ml_metadata.proto import metadata_store_pb2 as pb

from nsl_tfx.cli import main
from nsl_tfx.cli.inspect import executions, inspect
from nsl_tfx.cli.inspect_tables import comparison_tables
from nsl_tfx.metadata import compare
from tests.metadata.conftest import RUNS
from tests.metadata.stores import Writer, write_run


def invoke(*arguments):
    return CliRunner().invoke(main, ["inspect", *map(str, arguments)])


def told(*arguments):
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result.output


def rows(output, first):
    """Returns the words of the lines that begin with a word."""
    return [line.split() for line in output.splitlines() if line.startswith(first)]


def test_without_a_command_the_runs_are_told_newest_first(path):
    output = told(path)
    assert "digits, 3 runs" in output
    assert "notebook, 1 run" in output
    found = rows(output, "2026")
    short = [run.partition(".")[0] for run in reversed(RUNS)]
    assert [one[0] for one in found] == short
    assert [one[1] for one in found] == ["failed", "complete", "complete"]
    assert [one[-2:] for one in found] == [["-", "-"], ["no", "no"], ["yes", "yes"]]
    assert output == told(path, "runs")


def test_what_is_not_shown_is_told(path):
    output = told(path, "runs", "--last", 1)
    assert "digits, 3 runs; 2 older not shown, see --last" in output
    assert len(rows(output, "2026")) == 1


def test_a_run_tells_its_nodes_and_what_they_made(path, made):
    output = told(path, "run", RUNS[1][:10])
    assert output.startswith(f"digits, run {RUNS[1]}\n")
    (graph,) = rows(output, "GraphBuilder")
    assert graph[:3] == ["GraphBuilder", "cached", "NeighborGraph"]
    number = made[0]["graph"].id
    assert f"NeighborGraph {number}, 5 nodes, 10 edges, label agreement 75.0 %" in output
    assert f"ModelBlessing {made[1]['blessing'].id}, not blessed" in output
    assert told(path, "run").startswith("notebook, run interactive\n")


def test_what_a_node_makes_several_of_is_told_by_the_outputs_name(tmp_path):
    path = tmp_path / "metadata.sqlite"
    writer = Writer(path)
    made = {key: writer.artifact("Schema") for key in ("before", "after")}
    made["graph"] = writer.artifact("TransformGraph")
    writer.execute("digits", RUNS[0], "Transform", outputs=made)
    output = told(path, "run")
    for key in ("before", "after"):
        assert f"Schema {made[key].id} ({key})\n" in output
    assert f"TransformGraph {made['graph'].id}\n" in output


@pytest.mark.parametrize(("state", "count"), [("failed", 2), ("cached", 2), ("done", 20)])
def test_executions_are_found_by_their_state(path, state, count):
    found = json.loads(told(path, "executions", "--state", state, "--json"))
    assert {one["state"] for one in found} == {"complete" if state == "done" else state}
    lines = told(path, "executions", "--state", state).splitlines()
    assert len(lines) == len(found) + 1
    assert len(found) == count


def test_each_state_of_an_execution_can_be_asked_for():
    (state,) = [one for one in executions.params if one.name == "state"]
    names = {name.lower() for name, _ in pb.Execution.State.items()}
    assert {*state.type.choices} == names | {"done"}


def test_types_are_counted(path):
    assert [one[1] for one in rows(told(path, "artifacts"), "ModelBlessing")] == ["5"]


def test_artifacts_stand_side_by_side_and_changes_are_marked(path):
    output = told(path, "artifacts", "neighborgraph")
    assert rows(output, "edges") == [["edges", "10", "10", "12", "*"]]
    assert rows(output, "nodes") == [["nodes", "5", "5", "5"]]
    assert "* differs from the run before." in output
    changed = told(path, "artifacts", "neighborgraph", "--changed")
    assert rows(changed, "nodes") == []
    assert len(rows(changed, "edges")) == 1


def test_each_output_of_a_type_has_a_table(path):
    output = told(path, "artifacts", "ModelBlessing", "--last", 2)
    assert "Evaluator.blessing of digits" in output
    assert "RobustnessEvaluator.blessing of digits" in output
    assert rows(output, "blessed") == [["blessed", "1", "1"], ["blessed", "0", "-", "*"]]


def test_a_change_is_seen_against_a_run_that_is_not_shown(store):
    from rich.console import Console

    frame = compare(store, "NeighborGraph")
    console = Console(width=42, highlight=False)
    with console.capture() as captured:
        for part in comparison_tables(frame, "NeighborGraph", 42):
            console.print(part)
    text = captured.get()
    assert rows(text, "edges") == [["edges", "12", "*"]]
    assert "Not shown: 2 older runs. See --json." in text


def test_nothing_is_wider_than_the_terminal_and_cuts_are_told(tmp_path):
    from rich.console import Console

    writer = Writer(tmp_path / "metadata.sqlite")
    for run in ("2026-01-01T00:00:00.1", "a run with a name of many words"):
        made = {"graph": writer.artifact("nsl_tfx.NeighborGraph", reason="because " * 30)}
        writer.execute("p", run, "GraphBuilder", {}, made)
    console = Console(width=80, highlight=False)
    with console.capture() as captured:
        for part in comparison_tables(compare(writer.store, "NeighborGraph"), "x", 80):
            console.print(part)
    lines = captured.get().splitlines()
    assert max(map(len, lines)) <= 80
    assert any("… " in line for line in lines if line.startswith("reason"))
    assert "is cut; --json" in " ".join(lines)


def test_long_values_are_cut_where_there_is_no_terminal(tmp_path):
    writer = Writer(tmp_path / "metadata.sqlite")
    made = writer.artifact("nsl_tfx.NeighborGraph", fits="x" * 60, long="y" * 61)
    writer.execute("p", "run", "GraphBuilder", {}, {"graph": made})
    output = told(tmp_path, "artifacts", "NeighborGraph")
    assert rows(output, "fits") == [["fits", "x" * 60]]
    assert rows(output, "long") == [["long", "y" * 59 + "…"]]
    assert "is cut; --json" in output
    assert "y" * 61 in told(tmp_path, "artifacts", "NeighborGraph", "--json")


def test_the_lineage_is_a_tree(path, made):
    output = told(path, "lineage", made[0]["model"].id)
    assert output.startswith(f"Model {made[0]['model'].id}, model of Trainer.regularized")
    for word in ("made of", "became", "Pusher, done", "as told", "label agreement 75.0%"):
        assert word in output
    # Each execution is told once.
    assert output.count("Pusher, done") == 1


def test_json_holds_the_same(path, made):
    number = made[0]["model"].id
    found = json.loads(told(path, "lineage", number, "--json"))
    assert found["artifact"] == number
    assert len(found["nodes"]) == 14
    assert {"execution", "artifact", "is_output", "key"} == set(found["edges"][0])
    assert [one["run"] for one in json.loads(told(path, "--json"))][:3] == RUNS
    assert [one["node"] for one in json.loads(told(path, "run", "by hand", "--json"))] == [
        "Node.with.points"
    ]
    compared = json.loads(told(path, "artifacts", "NeighborGraph", "--json"))
    (edges,) = [one for one in compared if one["property"] == "edges"]
    assert [one["value"] for one in edges["runs"]] == [10, 10, 12]
    types = json.loads(told(path, "artifacts", "--json"))
    assert {one["type"] for one in types} >= {"Model", "nsl_tfx.NeighborGraph"}


def test_a_picture_never_takes_the_place_of_the_metadata(copied, tmp_path):
    (tmp_path / "link").symlink_to(copied)
    before = copied.read_bytes()
    for store, option in ((tmp_path, "--html"), (copied, "--svg")):
        result = invoke(store, "lineage", "1", option, tmp_path / "link")
        assert (result.exit_code, "not the metadata themselves" in result.output) == (2, True)
    assert copied.read_bytes() == before


def test_what_nothing_was_read_for_has_no_origin(path, made):
    lines = told(path, "lineage", made[0]["examples"].id).splitlines()
    assert not any("made of" in line for line in lines)
    assert any("became" in line for line in lines)


def test_a_reader_that_goes_away_ends_it_quietly(path):
    command = f"{sys.executable} -m nsl_tfx.cli inspect {path} executions | true"
    command += "; echo ${PIPESTATUS[0]}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("141\n", "")


def test_standard_error_may_be_closed(path):
    command = f"{sys.executable} -m nsl_tfx.cli inspect {path} 2>&-"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert "run" in done.stdout


def test_pictures_are_written(path, made, tmp_path):
    page, picture = tmp_path / "lineage.html", tmp_path / "lineage.svg"
    output = told(path, "lineage", made[0]["model"].id, "--html", page, "--svg", picture)
    assert output == f"Wrote {page} and {picture}.\n"
    assert page.read_text().startswith("<!doctype html>")
    assert picture.read_text().startswith("<svg ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{}/none.sqlite"], "which does not exist"),
        (["{}"], "a folder with one named metadata.sqlite"),
        (["ftp://host"], "Expected a SQLite file, mysql://"),
        (["grpc://127.0.0.1:1", "lineage", "1"], "None answers"),
        (["{store}", "run", "nope"], "Expected the name of a run"),
        (["{store}", "runs", "--pipeline", "nope"], "Expected a pipeline that has run"),
        (["{store}", "artifacts", "nope"], "Expected a type of artifact"),
        (["{store}", "lineage", "nope"], "Expected an artifact's number"),
        (["{store}", "lineage", "1", "--html", "{store}/below.html"], "Choose another --html"),
        (["{store}", "lineage", "1", "--svg", "{}"], "Choose another --svg"),
        (["{store}", "lineage", "1", "--html", ""], "Choose another --html"),
        (["{store}", "lineage", "1", "--html", "{}/x", "--svg", "{}/./x"], "a file for each"),
        (["{store}", "lineage", "1", "--html", "{store}"], "not the metadata themselves"),
        (["{store}", "lineage", "9" * 20], "Expected an artifact's number"),
        (["grpc://[::1"], "Expected a host, and a port"),
        (["a\udcff.sqlite"], "Expected a path in UTF-8"),
    ],
)
def test_a_mistake_is_a_line_and_exits_with_2(path, tmp_path, arguments, message):
    places = {"{store}": str(path), "{}": str(tmp_path)}
    for mark, place in places.items():
        arguments = [one.replace(mark, place) for one in arguments]
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert result.output.startswith("Error: ")
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["STORE", "bogus"],
        ["STORE", "lineage"],
        ["STORE", "runs", "--last", "0"],
        ["STORE", "executions", "--state", "bogus"],
        ["STORE", "artifacts", "--changed"],
        ["STORE", "artifacts", "--last", "5"],
    ],
)
def test_a_wrong_call_exits_with_2(arguments):
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_help_is_there_at_each_place():
    for arguments in (
        ["--help"],
        ["STORE", "-h"],
        *(["STORE", command, "--help"] for command in inspect.commands),
    ):
        result = invoke(*arguments)
        assert result.exit_code == 0, result.output
        assert "Usage: " in result.output
        assert "..." not in result.output.partition("Commands:")[2]
        assert max(map(len, result.output.splitlines())) <= 80


def test_a_store_without_runs_says_so(tmp_path):
    Writer(tmp_path / "metadata.sqlite")
    assert told(tmp_path) == "No pipeline has run yet.\n"
    assert told(tmp_path, "artifacts") == "None.\n"


def test_metadata_with_a_part_missing_is_a_line(tmp_path):
    writer = Writer(tmp_path / "metadata.sqlite")
    writer.execute("p", "run", "Gen", {}, {"examples": writer.artifact("Examples")})
    with contextlib.closing(sqlite3.connect(tmp_path / "metadata.sqlite")) as database, database:
        database.execute("DELETE FROM Context WHERE id = 1")
    result = invoke(tmp_path, "executions")
    assert (result.exit_code, type(result.exception)) == (2, SystemExit)
    assert "restore it from a copy" in result.output


@pytest.mark.parametrize("table", ["Artifact", "Execution"])
def test_metadata_with_a_deleted_row_is_a_line(tmp_path, table):
    writer = Writer(tmp_path / "metadata.sqlite")
    for run in "ab":
        writer.execute("p", run, "Gen", {}, {"examples": writer.artifact("Examples")})
    with contextlib.closing(sqlite3.connect(tmp_path / "metadata.sqlite")) as database, database:
        database.execute(f"DELETE FROM {table} WHERE id = 1")
    result = invoke(tmp_path, "executions")
    assert (result.exit_code, type(result.exception)) == (2, SystemExit)
    assert "execution that was deleted" in result.output


def test_mysql_without_its_client_is_a_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymysql", None)
    result = invoke("mysql://me@host/metadata")
    assert (result.exit_code, "nsl-tfx[mysql]" in result.output) == (2, True)


def test_what_steers_a_terminal_is_shown_instead(tmp_path):
    writer = Writer(tmp_path / "metadata.sqlite")
    evil = "\x1b]0;gone\x07[bold]"
    artifact = writer.artifact("nsl_tfx.NeighborGraph", reason=evil)
    writer.execute(evil, f"run{evil}", f"node{evil}", {}, {"graph": artifact})
    for command in (["runs"], ["run"], ["executions"], ["artifacts", "NeighborGraph"],
                    ["lineage", "1"]):  # fmt: skip
        output = told(tmp_path, *command)
        assert "\x1b]" not in output
        assert "[bold]" in output or command == ["artifacts"]


def test_it_needs_neither_tensorflow_nor_tfx(path):
    code = (
        "import sys; from nsl_tfx.cli import main\n"
        f"main(['inspect', {str(path)!r}], standalone_mode=False)\n"
        "print([one for one in ('tensorflow', 'tfx', 'apache_beam') if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_large_store_is_read_by_what_is_asked_for(tmp_path):
    writer = Writer(tmp_path / "metadata.sqlite")
    for i in range(8):
        write_run(writer, run=f"run {i}")
    assert "8 runs; 3 older not shown" in told(tmp_path)
