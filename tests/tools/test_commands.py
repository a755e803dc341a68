"""An interrupt while libraries load: quiet, and never swallowed."""

import signal
import subprocess
import sys

import pytest

# As compiled modules do that find an exception while they are set up.
SWALLOWS = """\
import os, signal
try:
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(1000):
        pass
except BaseException:
    pass
"""


@pytest.mark.parametrize(
    ("name", "content", "code", "text"),
    [
        ("swallows", SWALLOWS, "from nsl_tfx.tools.commands import load; load('swallows')",
         "\nStopped. Nothing was written.\n"),
        ("click", "raise KeyboardInterrupt", "from nsl_tfx.cli import main", ""),
    ],
)  # fmt: skip
def test_an_interrupt_ends_the_process_quietly(tmp_path, name, content, code, text):
    (tmp_path / f"{name}.py").write_text(content)
    # A shell starts what runs in the background with interrupts ignored.
    heeded = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)"
    code = f"{heeded}; sys.path.insert(0, {str(tmp_path)!r}); {code}; print('went on')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", text)


def test_interrupts_are_errors_again_afterwards():
    from nsl_tfx.tools.commands import load

    before = signal.getsignal(signal.SIGINT)
    load("json")
    with pytest.raises(ModuleNotFoundError):
        load("no_such_module")
    assert signal.getsignal(signal.SIGINT) is before


def test_arrow_loads_nothing_more_once_it_has_started():
    code = (
        "import sys, nsl_tfx.io.arrow_start; before = set(sys.modules); import pyarrow as pa;"
        "pa.array(['a']).to_numpy(zero_copy_only=False);"
        "print([m for m in set(sys.modules) - before if m.startswith('pandas')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
