"""Work that other processes do side by side. They end with the process that started them, however that ends."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Protocol, TypeVar

import django

# Tasks that wait or whose results wait, for each process: enough to keep it busy while the results are taken away.
AHEAD = 4

T = TypeVar("T")
R = TypeVar("R")


class InOrder(Protocol):
    """Does what `map` does: the results come in the order of the items."""

    def __call__(self, work: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]: ...


@contextmanager
def processes(count: int) -> Iterator[InOrder]:
    """A `map` that works in `count` processes, at most a few items ahead of its results; for one, in this process.

    What is done must be importable, as pickle wants it. The processes know Django and share no connection with this
    one. Raises concurrent.futures.BrokenExecutor when one of them dies.
    """
    if count == 1:
        yield map
        return
    executor = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        _start_all(executor, count)
        yield partial(_in_order, executor, count * AHEAD)
    finally:
        executor.shutdown(cancel_futures=True)


def _start_all(executor: ProcessPoolExecutor, count: int) -> None:
    """Start the processes with SIGINT blocked, which they inherit: a Ctrl-C is for the one that coordinates them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        for _ in range(count):
            executor.submit(int)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _in_order(executor: ProcessPoolExecutor, ahead: int, work: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]:
    waiting: deque[Future[R]] = deque()
    for item in items:
        waiting.append(executor.submit(work, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _begin() -> None:
    """How each process begins. Nothing that needs Django may be imported before it."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    django.setup()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
