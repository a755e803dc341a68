"""Progress is for a person at a terminal, and for nobody else."""

import io
import re
import sys

import pytest

from nsl_tfx.tools.progress import progress, progress_by_share, tell, warn


class Terminal(io.StringIO):
    def isatty(self):
        return True


def run(monkeypatch, stream, total=3000.0, steps=3):
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    tell("About [a] minute.")
    with progress("Comparing", total, "vectors") as advance:
        for _ in range(steps):
            advance(1000)
    return stream.getvalue()


@pytest.mark.parametrize("total", [3000.0, None])
def test_a_terminal_shows_what_is_done_at_which_rate(monkeypatch, total):
    output = run(monkeypatch, Terminal(), total)
    assert output.startswith("About [a] minute.\n")
    assert "Comparing" in output
    assert "vectors/s" in output
    output = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", output)  # colours and movements
    assert re.search(r"\d so far", output)
    # How long what has no known end still takes, nobody can tell.
    assert bool(re.search(r"\d left", output)) == (total is not None)


def test_a_warning_is_for_logs_too(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    warn("About [a] day.")
    assert sys.stderr.getvalue() == "About [a] day.\n"


def test_nothing_is_shown_where_there_is_none(monkeypatch):
    assert run(monkeypatch, io.StringIO()) == ""


def test_nothing_to_do_is_no_error(monkeypatch):
    assert "Comparing" in run(monkeypatch, Terminal(), total=0, steps=0)


def test_the_bar_goes_when_an_error_comes(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with pytest.raises(ValueError, match="odd"), progress("Reading", None, "examples"):
        raise ValueError("odd")
    # A second bar could not start while the first is there.
    assert "vectors/s" in run(monkeypatch, Terminal())


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_a_share_is_shown_with_what_is_being_done(monkeypatch, stream):
    monkeypatch.setattr(sys, "stderr", stream())
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    with progress_by_share("Loading") as report:
        report(0.5, "pgd at [b]0.1")
    output = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", sys.stderr.getvalue())
    shown = stream is Terminal
    assert (" 50%" in output) == shown
    # A name is no markup.
    assert ("pgd at [b]0.1" in output) == shown
    assert shown or not output
