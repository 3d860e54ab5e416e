"""Processes end with the one that started them, and signals end a command once."""

import contextlib
import signal
import subprocess
import sys
import time

import psutil
import pytest

from portal.laptop import tether
from portal.laptop.processes import ended_by_signals


def tied(*program: str, stdout: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    """A program on a tether that this process holds."""
    command = [sys.executable, "-I", tether.__file__, *program]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=stdout, text=True, start_new_session=True)


@pytest.mark.parametrize("heeds", ["", "trap '' TERM; "], ids=["heeds signals", "ignores signals"])
def test_what_is_let_go_ends_with_all_its_children(heeds):
    with tied("sh", "-c", f"{heeds}sleep 600 & sleep 601 & echo; wait", stdout=subprocess.PIPE) as it:
        assert it.stdin is not None
        assert it.stdout is not None
        it.stdout.readline()
        children = psutil.Process(it.pid).children(recursive=True)

        it.stdin.close()
        _, left = psutil.wait_procs(children, timeout=30)
        for process in [*left, it]:
            process.kill()

    assert len(children) == 3
    assert left == []


def test_how_it_ended_by_itself_is_passed_on():
    with tied("sh", "-c", "exit 7") as failed, tied("sh", "-c", "kill -KILL $$") as killed:
        assert (failed.wait(), killed.wait()) == (7, 128 + signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_block_and_the_next_does_not_cut_off_its_clean_up(number):
    before = signal.getsignal(number)
    ended_in_order = False

    with contextlib.suppress(KeyboardInterrupt), ended_by_signals():
        try:
            signal.raise_signal(number)
            time.sleep(30)
        except KeyboardInterrupt:
            signal.raise_signal(number)
            signal.raise_signal(signal.SIGTERM)
            ended_in_order = True

    assert ended_in_order
    assert signal.getsignal(number) == before


@pytest.mark.parametrize(
    ("number", "is_heeded"), [(signal.SIGINT, True), (signal.SIGTERM, True), (signal.SIGHUP, False)]
)
def test_what_a_script_starts_in_the_background_heeds_ctrl_c_and_nohup_is_left_to_it(number, is_heeded):
    before = signal.signal(number, signal.SIG_IGN)
    ended = False
    try:
        with ended_by_signals():
            signal.raise_signal(number)
    except KeyboardInterrupt:
        ended = True
    finally:
        after = signal.signal(number, before)

    assert ended is is_heeded
    assert after is signal.SIG_IGN
