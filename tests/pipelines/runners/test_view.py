"""What is shown of a run, on a terminal and elsewhere."""

import contextlib
import io
import re

import pytest
from rich.console import Console

from nsl_tfx.pipelines.runners.states import NodeState
from nsl_tfx.pipelines.runners.view import RunView

NODES = ["Gen", "Trainer", "Pusher"]


def make(terminal, **settings):
    output = io.StringIO()
    console = Console(file=output, force_terminal=terminal, width=60, **settings)
    return RunView(console), output


def shown(output):
    """Returns the text without what steers the terminal."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", output.getvalue())


def last_table(output, rows):
    return [line.split() for line in shown(output).splitlines()[-rows:]]


def run(view, nodes=NODES, states=(NodeState.CACHED, NodeState.DONE, NodeState.DONE)):
    with view.showing(nodes):
        for node, state in zip(nodes, states, strict=False):
            view.start(node)
            view.finish(node, state, "why" if state is NodeState.SKIPPED else "")


def test_without_a_terminal_each_node_has_one_line_when_it_ends():
    view, output = make(terminal=False)
    with view.showing(NODES):
        view.start("Gen")
        assert output.getvalue() == ""
        view.finish("Gen", NodeState.DONE)
        assert output.getvalue().split() == ["1/3", "Gen", "done", "0.0", "s"]
        view.start("Trainer")
        view.finish("Trainer", NodeState.FAILED, "ValueError: x")
    assert len(output.getvalue().splitlines()) == 2
    assert "\x1b" not in output.getvalue()
    assert view.records["Trainer"].note == "ValueError: x"


def test_on_a_terminal_the_whole_table_stays():
    view, output = make(terminal=True)
    run(view)
    rows = last_table(output, 3)
    assert [row[:3] for row in rows] == [
        ["1/3", "Gen", "cached"],
        ["2/3", "Trainer", "done"],
        ["3/3", "Pusher", "done"],
    ]


def test_on_a_terminal_the_running_node_is_shown_with_its_time():
    view, output = make(terminal=True)
    with view.showing(NODES):
        view.start("Gen")
        assert view.records["Gen"].state is NodeState.RUNNING
    assert last_table(output, 3)[0] == ["1/3", "Gen", "running", "0.0", "s"]
    assert last_table(output, 3)[1] == ["2/3", "Trainer", "pending"]


def test_the_table_stays_after_an_error():
    view, output = make(terminal=True)
    with contextlib.suppress(KeyboardInterrupt), view.showing(NODES):
        view.start("Gen")
        view.finish("Gen", NodeState.STOPPED)
        raise KeyboardInterrupt
    assert last_table(output, 3)[0][:3] == ["1/3", "Gen", "stopped"]


@pytest.mark.parametrize("done", range(12))
def test_of_more_nodes_than_rows_the_running_one_is_seen(done):
    nodes = [f"Node.{i}" for i in range(12)]
    view, _ = make(terminal=True, height=9)
    with view.showing(nodes):
        for node in nodes[:done]:
            view.start(node)
            view.finish(node, NodeState.DONE)
        view.start(nodes[done])
        output = io.StringIO()
        Console(file=output, width=60).print(view._window())
    lines = output.getvalue().splitlines()
    assert len(lines) == 5
    assert sum(f"{nodes[done]} " in line and "running" in line for line in lines) == 1


def test_a_reason_to_skip_is_told():
    view, output = make(terminal=False)
    run(view, states=[NodeState.SKIPPED])
    assert output.getvalue().rstrip().endswith("s  why")


def test_long_names_leave_the_state_in_its_column():
    view, output = make(terminal=False)
    names = ["A", "B" * 30]
    run(view, names)
    columns = {line.index("cached") if "cached" in line else line.index("done")
               for line in output.getvalue().splitlines()}  # fmt: skip
    assert len(columns) == 1
