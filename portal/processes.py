"""The processes of a running Claimsgate: the application server and the workers, started and ended together."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from django.conf import settings

SERVER_THREADS = 64
EVERYTHING_ELSE = "celery"  # the queue of what is not the writing of files
STOPPING_SECONDS = 20
STARTING_SECONDS = 60


class ProcessDiedError(RuntimeError):
    """A process ended that should have gone on; the message names its log."""


class Process:
    """A child process in a session of its own, with its output in a log file."""

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *command],
                cwd=settings.BASE_DIR,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def check(self) -> None:
        """Raise ProcessDiedError if the process is over."""
        if (code := self._process.poll()) is not None:
            raise ProcessDiedError(f"The {self.name} ended with code {code}; its log is {self.log}.")

    def stop(self) -> None:
        """Ask the process to end, and end it and its children if it does not."""
        if self._process.poll() is not None:
            return
        self._process.terminate()
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
            *("--worker-tmp-dir", str(log_folder), "--graceful-timeout", "5"),
            # Paths without their queries: people search for MBIs in those.
            *("--access-logfile", "-", "--access-logformat", "%(t)s %(h)s %(m)s %(U)s %(s)s %(B)s bytes %(M)s ms"),
            # The control socket of newer gunicorns would be written beside the code.
            "--no-control-socket",
        ],
        log=log_folder / "server.log",
        environment=environment,
    )


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
    """Inside, SIGTERM ends the block as Ctrl-C does, by KeyboardInterrupt."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
