"""A program on a tether: `python tether.py PROGRAM ARGUMENT…` runs it until its starter lets go.

The tether is standard input: a pipe whose other end only the starter has, and never writes to. The kernel closes that
end when the starter is over, however it ended. Then, or on a signal, the program is asked to end, and what is still
there some seconds later is killed. It wants a session of its own, because all of its process group ends with it.

Run as a file, without Django and Celery: it costs a few megabytes.
"""

import os
import signal
import subprocess
import sys
import threading

# With what PostgreSQL gets after it (portal/laptop/embedded_postgres.py) less than ten seconds.
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
        _kill_all()  # the program's own children, if it has left any
    # It ended by itself, and whoever started it is to know how.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.killpg(0, signal.SIGTERM)
    sys.exit(code if code >= 0 else 128 - code)


def _await_letting_go(main_thread: int) -> None:
    os.read(0, 1)
    signal.pthread_kill(main_thread, signal.SIGTERM)  # it waits, and no signal to another thread would wake it


def _kill_all() -> None:
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
