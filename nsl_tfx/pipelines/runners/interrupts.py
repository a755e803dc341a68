"""Ctrl-C that is not lost on its way through the libraries."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

_SECONDS = 1.0


@contextlib.contextmanager
def lasting_interrupts(seconds: float = _SECONDS) -> Iterator[None]:
    """Raises KeyboardInterrupt in a block at Ctrl-C or SIGTERM, again until it has left the block.

    Python raises it wherever the main thread happens to be. In a destructor or a callback, of which
    TensorFlow has many, it is printed and forgotten, and so is one that a library catches: the run
    would go on to its end. Here it is raised anew as long as nobody handles it. SIGTERM is how
    machines stop a process.

    In another thread than the main one, which alone gets signals, and where somebody else handles a
    signal already, nothing changes.

    Args:
        seconds: How long to wait before it is raised again.
    """
    interrupts = _Interrupts(seconds)
    before = {
        number: signal.getsignal(number)
        for number, usual in (
            (signal.SIGINT, signal.default_int_handler),
            (signal.SIGTERM, signal.SIG_DFL),
        )
        if threading.current_thread() is threading.main_thread()
        and signal.getsignal(number) == usual
    }
    for number in before:
        signal.signal(number, interrupts.handle)
    try:
        yield
    finally:
        interrupts.close()
        for number, handler in before.items():
            signal.signal(number, handler)


class _Interrupts:
    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._closed = threading.Event()
        self._reminds = False
        self._reminder: threading.Thread | None = None

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Handles the signal, in the main thread."""
        del frame
        if self._closed.is_set():
            return
        if self._reminder is None:
            self._reminder = threading.Thread(target=self._remind, args=(number,), daemon=True)
            self._reminder.start()
        reminds, self._reminds = self._reminds, False
        # What is on its way out shall clean up; but who presses Ctrl-C again means it.
        if reminds and _is_on_its_way(sys.exc_info()[1]):
            return
        raise KeyboardInterrupt

    def close(self) -> None:
        """Ends the reminders; a signal from now on does nothing."""
        self._closed.set()
        if self._reminder is not None:
            self._reminder.join()

    def _remind(self, number: int) -> None:
        main = threading.main_thread().ident
        assert main is not None
        while not self._closed.wait(self._seconds):
            self._reminds = True
            signal.pthread_kill(main, number)


def _is_on_its_way(error: Any) -> bool:
    """Tells whether what is being handled is an interrupt, or came while one was handled."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False
