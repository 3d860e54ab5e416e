"""The processes of a running Claimsgate: the application server and the workers, started and ended together.

They end with the process that started them, however it ends: each is on a tether (portal/laptop/tether.py).
"""

import contextlib
import math
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from django.conf import settings

from portal.laptop import tether

SERVER_THREADS = 64
# Longer than clients and nginx keep a connection that is idle: a call must not meet one that is just being closed.
KEEP_ALIVE_SECONDS = 75
EVERYTHING_ELSE = "celery"  # the queue of what is not the writing of files
# A moment more than a process has to end by itself.
STOPPING_SECONDS = tether.ENDING_SECONDS + 2
STARTING_SECONDS = 60
# Within it, everything that was started has ended.
ENDING_SECONDS = 10
OUTPUTS = (1, 2)
# The client's address, and not that of the proxy. Paths without their queries: people search for MBIs in those.
ACCESS_LOG = "%(t)s %({claimsgate.client_address}e)s %(m)s %(U)s %(s)s %(B)s bytes %(M)s ms"


class ProcessDiedError(RuntimeError):
    """A process ended that should have gone on; the message names its log."""


class Process:
    """A child process on a tether, in a session of its own, with its output in a log file.

    The embedded servers, if this process holds on to them, stay until it has ended.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output, settings.SERVICES.held() as descriptors:
            self._process = subprocess.Popen(
                [sys.executable, "-I", tether.__file__, sys.executable, "-m", *command],
                cwd=settings.BASE_DIR,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                pass_fds=descriptors,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raise ProcessDiedError if the process is over."""
        if (code := self._process.poll()) is not None:
            raise ProcessDiedError(f"The {self.name} ended with code {code}; its log is {self.log}.")

    def terminate(self) -> None:
        """Ask the process to end."""
        self._process.terminate()

    def stop(self) -> None:
        """Ask the process to end, and end it and its children if it does not."""
        if self._process.poll() is not None:
            return
        self.terminate()
        try:
            self._process.wait(STOPPING_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the process and its children at once, as a power failure would."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def start_workers(log_folder: Path, *, environment: Mapping[str, str] | None = None, writers: int = 2) -> list[Process]:
    """Two Celery workers: one writes files, so many at a time; the other does all else, and never waits for a file."""
    return [
        _worker("writer", log_folder, environment, "--queues", settings.WRITING_QUEUE, "--concurrency", str(writers)),
        start_worker(log_folder, environment=environment, concurrency=1, queues=EVERYTHING_ELSE),
    ]


def start_worker(
    log_folder: Path, *, environment: Mapping[str, str] | None = None, concurrency: int = 1, queues: str = ""
) -> Process:
    """A Celery worker that runs the periodic tasks, too; it takes from these queues, or from all."""
    schedule = log_folder / "celerybeat-schedule"
    options = ["--concurrency", str(concurrency), "--beat", "--schedule", str(schedule)]
    return _worker("worker", log_folder, environment, *options, *(["--queues", queues] if queues else []))


def _worker(name: str, log_folder: Path, environment: Mapping[str, str] | None, *options: str) -> Process:
    return Process(
        name,
        [
            *("celery", "--app", "portal", "worker", "--hostname", f"{name}@%h", "--loglevel", "INFO"),
            *("--without-gossip", "--without-mingle", *options),
        ],
        log=log_folder / f"{name}.log",
        # Whoever starts it has run the checks of the settings: with them a worker takes half as long again to start.
        environment={"CELERY_SKIP_CHECKS": "1", **(environment or {})},
    )


def start_server(log_folder: Path, *, port: int, environment: Mapping[str, str] | None = None) -> Process:
    """The application server, on this machine only."""
    return Process(
        "server",
        [
            *("gunicorn", "portal.wsgi", "--bind", f"127.0.0.1:{port}"),
            *("--worker-class", "gthread", "--threads", str(SERVER_THREADS), "--workers", "1"),
            *("--keep-alive", str(KEEP_ALIVE_SECONDS)),
            *("--worker-tmp-dir", str(log_folder), "--graceful-timeout", "2"),
            *("--access-logfile", "-", "--access-logformat", ACCESS_LOG),
            # The control socket of newer gunicorns would be written beside the code.
            "--no-control-socket",
        ],
        log=log_folder / "server.log",
        environment=environment,
    )


def stop_all(started: Iterable[Process]) -> None:
    """Stop processes, all at the same time."""
    for process in started:
        process.terminate()
    for process in started:
        process.stop()


def wait_until_up(base_url: str, process: Process) -> None:
    """Return when the server answers. Raises ProcessDiedError when it will not."""
    until = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < until:
        process.check()
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(f"{base_url}/_health", timeout=5).close()  # noqa: S310  # our own URL
            return
        time.sleep(0.05)
    raise ProcessDiedError(f"The server does not answer at {base_url}; its log is {process.log}.")


def is_free(port: int) -> bool:
    """True if nothing listens on a port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """Inside, SIGINT, SIGTERM and SIGHUP end the block by KeyboardInterrupt.

    SIGINT does even if it was ignored, as for what a script has started in the background; SIGHUP does not if it was
    ignored, as by nohup. A signal soon after another asks for the same, and must not cut off what ends the block in
    order: make passes on a second SIGTERM, and people press Ctrl-C again.
    """
    heard_at = -math.inf

    def interrupt(_number: int, _frame: object) -> None:
        nonlocal heard_at
        if time.monotonic() - heard_at > ENDING_SECONDS:
            heard_at = time.monotonic()
            raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    if before[signal.SIGHUP] is signal.SIG_IGN:
        del before[signal.SIGHUP]
    try:
        for number in before:
            signal.signal(number, interrupt)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_when_unwatched(parent: int | None = None) -> None:
    """From now on this process gets a SIGTERM when nobody can read its output any more, or when `parent` is over."""
    threading.Thread(target=_await_loss, args=[parent, threading.get_ident()], daemon=True).start()


def _await_loss(parent: int | None, main_thread: int) -> None:
    outputs = select.poll()
    for descriptor in OUTPUTS:
        outputs.register(descriptor, 0)  # a pipe without a reader and a closed terminal are told unasked
    lost: list[int] = []
    while not lost and (parent is None or os.getppid() == parent):
        for descriptor, event in outputs.poll(1000):
            if event & select.POLLNVAL:
                outputs.unregister(descriptor)  # macOS knows nothing of some devices
            else:
                lost.append(descriptor)
    for descriptor in lost:
        # So that last words do not raise.
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), descriptor)
    signal.pthread_kill(main_thread, signal.SIGTERM)
