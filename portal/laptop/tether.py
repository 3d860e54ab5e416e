"""Runs a program on a tether: `python tether.py PROGRAM ARGUMENT…` stops it when its starter ends.

The tether is standard input: a pipe whose other end only the starter has, and never writes to. The kernel closes it
when the starter ends, even if it is killed. Then, or on a signal, the program is asked to end. After some seconds, its
whole process group is killed, so it needs its own session.

It runs as a file, without Django and Celery, so it needs only a few megabytes.
"""

import os
import signal
import subprocess
import sys
import threading

# Together with PostgreSQL's time (portal/laptop/embedded_postgres.py), less than 10 seconds.
ENDING_SECONDS = 4


def main() -> None:
    programs: list[subprocess.Popen[bytes]] = []
    is_ending = False

    def end(_number: int, _frame: object) -> None:
        nonlocal is_ending
        if not is_ending:
            signal.alarm(ENDING_SECONDS)
        is_ending = True
        for program in programs:
            program.terminate()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end)
    signal.signal(signal.SIGALRM, lambda _number, _frame: _kill_all())
    programs.append(subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL))
    threading.Thread(target=_await_letting_go, args=[threading.get_ident()], daemon=True).start()
    code = programs[0].wait()
    if is_ending:
        _kill_all()  # the program's own children, if any are left
    # It ended by itself: pass its exit code to the starter.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    sys.exit(code if code >= 0 else 128 - code)


def _await_letting_go(main_thread: int) -> None:
    os.read(0, 1)
    signal.pthread_kill(main_thread, signal.SIGTERM)  # it is waiting, and a signal to another thread wouldn't wake it


def _kill_all() -> None:
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
