import os
import subprocess
import sys

import pytest

from nsl_tfx.console import library_output_to

PROGRAM = """
import os, subprocess, sys
from nsl_tfx.console import library_output_to
with library_output_to({log!r}) as console:
    print("from python")
    print("from python's stderr", file=sys.stderr)
    os.write(2, b"from C\\n")
    subprocess.run(["echo", "from a child"], check=True)
    console.print("for the person")
print("after")
"""


def run_program(log):
    code = PROGRAM.format(log=log and str(log))
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)


def test_libraries_print_to_the_log_and_we_to_the_terminal(tmp_path):
    log = tmp_path / "new" / "run.log"
    done = run_program(log)
    assert (done.stdout, done.stderr) == ("for the person\nafter\n", "")
    text = log.read_text()
    for origin in ("python", "python's stderr", "C", "a child"):
        assert f"from {origin}\n" in text


def test_a_second_run_appends(tmp_path):
    log = tmp_path / "run.log"
    run_program(log)
    size = log.stat().st_size
    run_program(log)
    assert log.stat().st_size == 2 * size


def test_without_a_log_all_is_shown():
    done = run_program(None)
    for origin in ("python", "a child"):
        assert f"from {origin}\n" in done.stdout
    assert "from C\n" in done.stderr


def test_output_comes_back_after_an_error(tmp_path, capfd):
    with pytest.raises(RuntimeError), library_output_to(str(tmp_path / "run.log")):
        raise RuntimeError
    os.write(1, b"after")
    assert capfd.readouterr().out == "after"
