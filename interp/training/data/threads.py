"""Work on many items in threads that Ctrl-C ends cleanly."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(
    work: Callable[[Item], Result], items: Sequence[Item], threads: int | None = None
) -> Generator[tuple[int, Result], None, None]:
    """Yield each item's number and result as they get done.

    However it ends, what was begun is finished and nothing more is begun. A `ThreadPoolExecutor` first
    hands out all items, in Python code that holds locks: Ctrl-C meanwhile is late, or waits forever.

    Args:
        work: is called from the threads; what it raises is raised here.
        items: to work on.
        threads: how many; default one for each core.

    Example:
        >>> dict(in_threads(len, ["a", "bcd"]))
        {0: 1, 1: 3}
    """
    left: SimpleQueue[int] = SimpleQueue()
    done: SimpleQueue[tuple[int, Result] | BaseException] = SimpleQueue()
    for number in range(len(items)):
        left.put(number)

    def run() -> None:
        with suppress(Empty):
            while True:
                number = left.get_nowait()
                try:
                    done.put((number, work(items[number])))
                except BaseException as error:
                    done.put(error)

    count = min(len(items), threads or os.cpu_count() or 1)
    workers = [Thread(target=run, daemon=True) for _ in range(count)]
    try:
        for worker in workers:
            worker.start()
        for _ in items:
            outcome = done.get()
            if isinstance(outcome, BaseException):
                raise outcome
            yield outcome
    finally:
        with suppress(Empty):
            while True:
                left.get_nowait()
        for worker in workers:
            if worker.ident is not None:
                worker.join()
