"""`nsl-tfx` completes its commands and options in a shell."""

import os
import shutil
import subprocess
import sys

import pytest
from click.shell_completion import ShellComplete

from nsl_tfx.cli.compile import compile_command
from nsl_tfx.cli.inspect import inspect
from nsl_tfx.cli.run import run

PROGRAM = os.path.join(os.path.dirname(sys.executable), "nsl-tfx")
# What bash does at a Tab: the words, which of them is at the cursor, and the function that the
# script registered. bash-completion, which not every machine has, is not needed for that.
TAB = """
eval "$(_NSL_TFX_COMPLETE=bash_source nsl-tfx)"
COMP_WORDS=({words}) COMP_CWORD={at}
_nsl_tfx_completion nsl-tfx
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def complete(*words):
    code = TAB.format(words=" ".join(f'"{word}"' for word in words), at=len(words) - 1)
    path = f"{os.path.dirname(PROGRAM)}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", code],
        env={**os.environ, "PATH": path},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.split()


@pytest.mark.skipif(not shutil.which("bash"), reason="There is no bash here.")
@pytest.mark.skipif(not os.path.exists(PROGRAM), reason="The package is not installed here.")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nsl-tfx", "do"], {"doctor"}),
        (["nsl-tfx", ""], {"run", "doctor", "graph", "robustness"}),
        (["nsl-tfx", "run", "--"], {"--set", "--param", "--log", "--verbose", "--json"}),
        (["nsl-tfx", "doctor", "--q"], {"--quick"}),
        (["nsl-tfx", "inspect", "STORE", "l"], {"lineage"}),
        (["nsl-tfx", "inspect", "STORE", "executions", "--state", "f"], {"failed"}),
    ],
)
def test_tab_completes(words, expected):
    assert expected <= set(complete(*words))


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (inspect, []),
        (inspect.commands["lineage"], ["STORE", "1", "--html"]),
        (run, []),
        (run, ["--log"]),
        (compile_command, ["-o"]),
    ],
)
def test_tab_completes_files_where_one_is_named(command, arguments):
    completer = ShellComplete(command, {}, "nsl-tfx", "_NSL_TFX_COMPLETE")
    (found,) = completer.get_completions(arguments, "x")
    assert (found.type, found.value) == ("file", "x")
