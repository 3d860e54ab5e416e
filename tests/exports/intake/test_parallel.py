"""Work in several processes: see exports/intake/parallel.py."""

import itertools
import operator
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor

import psutil
import pytest
from django.conf import settings

from exports.intake.parallel import AHEAD, InOrder, processes
from tests.exports.intake.sandbox.tiny_sandboxes import left_over


@pytest.fixture(scope="module")
def two() -> Iterator[InOrder]:
    with processes(2) as in_order:
        yield in_order


def test_results_come_in_the_order_of_the_items(two):
    assert list(two(operator.neg, range(100))) == [-number for number in range(100)]


def test_two_processes_are_others_and_one_is_this_one(two):
    elsewhere = set(two(_process_id, range(40)))
    with processes(1) as in_order:
        here = set(in_order(_process_id, range(4)))

    assert here == {os.getpid()}
    assert elsewhere
    assert os.getpid() not in elsewhere


def test_no_more_is_begun_than_a_little_ahead_of_what_is_taken(two):
    begun = itertools.count()

    results = two(operator.neg, (next(begun) for _ in range(1_000)))
    for _ in range(3):
        next(results)

    assert next(begun) <= 3 + 2 * AHEAD


def test_an_error_in_the_work_is_raised_here_and_ends_the_processes():
    before = _others(psutil.Process())

    with pytest.raises(ZeroDivisionError), processes(2) as in_order:
        list(in_order(_one_by, [1, 0]))

    assert _others(psutil.Process()) == before


def test_a_process_that_dies_is_an_error_and_not_a_wait_for_ever():
    with pytest.raises(BrokenExecutor), processes(2) as in_order:
        list(in_order(os._exit, [1]))


def test_the_processes_end_when_the_one_that_started_them_is_killed():
    script = (
        "import time\n"
        "from exports.intake.parallel import processes\n"
        "with processes(2) as in_order:\n"
        "    next(in_order(abs, range(2)))\n"
        "    print('working', flush=True)\n"
        "    list(in_order(time.sleep, [600, 600]))\n"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", script], cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert starter.stdout is not None
    assert starter.stdout.readline() == "working\n"
    others = _others(psutil.Process(starter.pid))

    starter.send_signal(signal.SIGKILL)

    assert len(others) >= 2
    assert left_over(others) == []
    starter.communicate()


def _process_id(_item: int) -> int:
    return os.getpid()


def _one_by(number: int) -> float:
    return 1 / number


def _others(process: psutil.Process) -> list[psutil.Process]:
    """The processes that work for one: not the small one that Python starts to clear away what is left behind."""
    return [child for child in process.children(recursive=True) if "resource_tracker" not in " ".join(child.cmdline())]
