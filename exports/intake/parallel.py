"""Runs work in several processes. They end with the process that started them, however it ends."""

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

# Waiting tasks and results for each process: enough to keep it busy while results are collected.
AHEAD = 4

T = TypeVar("T")
R = TypeVar("R")


class InOrder(Protocol):
    """Works like `map`: the results come in the order of the items."""

    def __call__(self, work: Callable[[T], R], items: Iterable[T], /) -> Iterator[R]: ...


@contextmanager
def processes(count: int) -> Iterator[InOrder]:
    """Return a `map` that works in `count` processes, a few items ahead of its results; for one, in this process.

    Functions must be importable, for pickle. The processes use Django and share no connection with this one. Raises
    concurrent.futures.BrokenExecutor if one of them dies.
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
    """Start the processes with SIGINT blocked, which they inherit: Ctrl-C is for the process that coordinates them."""
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
    """Start a process. Nothing that needs Django can be imported before this."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    django.setup()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
