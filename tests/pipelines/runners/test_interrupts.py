"""Ctrl-C wherever it comes, in a process of its own."""

import signal
import subprocess
import sys
import threading

import pytest

from nsl_tfx.pipelines.runners.interrupts import lasting_interrupts

START = """
import os, signal, threading
from nsl_tfx.pipelines.runners.interrupts import lasting_interrupts

def interrupt(number=signal.SIGINT):
    signal.raise_signal(number)
    for _ in range(1000): pass

class Lost:
    def __del__(self): interrupt()

wait = threading.Event().wait
told = []
try:
    with lasting_interrupts(0.05):
        try:
{block}
        finally:
            told.append("cleaned")
        told.append("went on")
except KeyboardInterrupt:
    told.append("stopped")
print(*told, signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""
BLOCKS = {
    "at once": "interrupt()",
    "terminated": "interrupt(signal.SIGTERM)",
    "while it waits": (
        "threading.Thread(target=os.kill, args=(os.getpid(), signal.SIGINT)).start(); wait(60)"
    ),
    "in a destructor": "x = Lost()\ndel x\nwait(60)",
    "caught": "try: interrupt()\nexcept BaseException: pass\nwait(60)",
    "made into another error": (
        "try:\n    try: interrupt()\n    except KeyboardInterrupt: raise ValueError\n"
        "except ValueError: pass\nwait(60)"
    ),
    # Cleaning up takes longer than the time between two reminders.
    "while others clean up": "try: interrupt()\nfinally: wait(0.3); told.append('in peace')",
    "again": "try: interrupt()\nfinally: interrupt()",
}


@pytest.mark.parametrize("block", BLOCKS)
def test_it_arrives(block):
    lines = "\n".join(f"            {line}" for line in BLOCKS[block].splitlines())
    done = subprocess.run(
        [sys.executable, "-c", START.format(block=lines)],
        check=False,
        capture_output=True,
        text=True,
        timeout=50,
    )
    peace = "in peace " if block == "while others clean up" else ""
    assert done.stdout == f"{peace}cleaned stopped True\n", done.stderr


def test_without_a_signal_nothing_happens():
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with lasting_interrupts():
        pass
    assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def test_who_handles_signals_already_goes_on_to():
    def mine(number, frame): ...

    before = signal.signal(signal.SIGINT, mine)
    try:
        with lasting_interrupts():
            assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)


def test_other_threads_change_nothing():
    found = []

    def look():
        with lasting_interrupts():
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGINT)]
