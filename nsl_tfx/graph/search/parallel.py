"""Work spread over threads."""

from __future__ import annotations

import collections
import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from threadpoolctl import threadpool_limits

Item = TypeVar("Item")

_lock = threading.Lock()
_holders = 0
_limit = contextlib.ExitStack()


def default_threads() -> int:
    """Returns how many threads a kernel uses: `OMP_NUM_THREADS`, else the cores it may run on."""
    value = os.environ.get("OMP_NUM_THREADS", "")
    return int(value) if value.isdigit() and int(value) else len(os.sched_getaffinity(0))


@contextlib.contextmanager
def products_on_one_thread() -> Iterator[None]:
    """Keeps each matrix product on the thread that asks for it.

    The last bits of a product depend on how many threads share it, and nothing that is found may.
    The limit is the whole process's. Several may ask for it at a time, from any thread: it holds
    until the last of them ends, and then what was before holds again.
    """
    global _holders
    with _lock:
        if not _holders:
            _limit.enter_context(threadpool_limits(1, user_api="blas"))
        _holders += 1
    try:
        yield
    finally:
        with _lock:
            _holders -= 1
            if not _holders:
                _limit.close()


def run_all(work: Callable[[Item], None], items: Iterable[Item], threads: int) -> None:
    """Calls `work` on every item, several at once; the first error ends it.

    Matrix products stay on the thread that asks for them: a thread a block keeps all cores busy
    with less waiting than all cores on one block.

    Args:
        work: May run in several threads at once.
        items: Taken one by one, as threads become free.
        threads: How many.
    """
    with products_on_one_thread():
        if threads <= 1:
            collections.deque(map(work, items), maxlen=0)
            return
        with ThreadPoolExecutor(threads) as pool:
            running: set[Future[None]] = set()
            for item in items:
                running.add(pool.submit(work, item))
                if len(running) >= 2 * threads:
                    running = _without_finished(running)
            while running:
                running = _without_finished(running)


def _without_finished(running: set[Future[None]]) -> set[Future[None]]:
    done, left = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        future.result()
    return left
