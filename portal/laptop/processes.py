"""The processes of a running Claimsgate: the application server and the workers, started and ended together.

They end with the process that started them, even if it is killed: each has a tether (portal/laptop/tether.py).
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
# Longer than clients and nginx keep an idle connection, so no call uses one that is just being closed.
KEEP_ALIVE_SECONDS = 75
EVERYTHING_ELSE = "celery"  # the queue for everything but writing files
# A little longer than a process gets to end by itself.
STOPPING_SECONDS = tether.ENDING_SECONDS + 2
STARTING_SECONDS = 60
# By then, everything that was started has ended.
ENDING_SECONDS = 10
OUTPUTS = (1, 2)
# The client's IP address, not the proxy's. Paths without queries, since users search for MBIs in queries.
ACCESS_LOG = "%(t)s %({claimsgate.client_address}e)s %(m)s %(U)s %(s)s %(B)s bytes %(M)s ms"


class ProcessDiedError(RuntimeError):
    """A process ended unexpectedly. The message names its log."""


class Process:
    """A child process on a tether, in its own session, with its output in a log file.

    If this process uses the embedded servers, they keep running until the child has ended.
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
            raise ProcessDiedError(f"The {self.name} ended unexpectedly with code {code}. Check its log: {self.log}.")

    def terminate(self) -> None:
        """Ask the process to end."""
        self._process.terminate()

    def stop(self) -> None:
        """Ask the process to end. Kill it and its children if it doesn't."""
        if self._process.poll() is not None:
            return
        self.terminate()
        try:
            self._process.wait(STOPPING_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """Kill the process and its children immediately, like a power failure."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def start_workers(log_folder: Path, *, environment: Mapping[str, str] | None = None, writers: int = 2) -> list[Process]:
    """Start two Celery workers: one writes files, the other does everything else and never waits for a file."""
    return [
        _worker("writer", log_folder, environment, "--queues", settings.WRITING_QUEUE, "--concurrency", str(writers)),
        start_worker(log_folder, environment=environment, concurrency=1, queues=EVERYTHING_ELSE),
    ]


def start_worker(
    log_folder: Path, *, environment: Mapping[str, str] | None = None, concurrency: int = 1, queues: str = ""
) -> Process:
    """Start a Celery worker that also runs periodic tasks. It takes from these queues, or from all."""
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
        # The settings were already checked. Checking them again makes a worker start 50 % slower.
        environment={"CELERY_SKIP_CHECKS": "1", **(environment or {})},
    )


def start_server(log_folder: Path, *, port: int, environment: Mapping[str, str] | None = None) -> Process:
    """Start the application server, reachable only from this machine."""
    return Process(
        "server",
        [
            *("gunicorn", "portal.wsgi", "--bind", f"127.0.0.1:{port}"),
            *("--worker-class", "gthread", "--threads", str(SERVER_THREADS), "--workers", "1"),
            *("--keep-alive", str(KEEP_ALIVE_SECONDS)),
            *("--worker-tmp-dir", str(log_folder), "--graceful-timeout", "2"),
            *("--access-logfile", "-", "--access-logformat", ACCESS_LOG),
            # Newer gunicorns would create a control socket next to the code.
            "--no-control-socket",
        ],
        log=log_folder / "server.log",
        environment=environment,
    )


def stop_all(started: Iterable[Process]) -> None:
    """Stop processes in parallel."""
    for process in started:
        process.terminate()
    for process in started:
        process.stop()


def wait_until_up(base_url: str, process: Process) -> None:
    """Wait until the server responds. Raises ProcessDiedError if it doesn't."""
    until = time.monotonic() + STARTING_SECONDS
    while time.monotonic() < until:
        process.check()
        with contextlib.suppress(urllib.error.URLError, ConnectionError, TimeoutError):
            urllib.request.urlopen(f"{base_url}/_health", timeout=5).close()  # noqa: S310  # our own URL
            return
        time.sleep(0.05)
    raise ProcessDiedError(f"The server doesn't respond at {base_url}. Check its log: {process.log}.")


def is_free(port: int) -> bool:
    """Whether nothing listens on a port of this machine."""
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
    """Send this process SIGTERM when nobody can read its output, or when `parent` has ended."""
    threading.Thread(target=_await_loss, args=[parent, threading.get_ident()], daemon=True).start()


def _await_loss(parent: int | None, main_thread: int) -> None:
    outputs = select.poll()
    for descriptor in OUTPUTS:
        outputs.register(descriptor, 0)  # a pipe without a reader and a closed terminal are always reported
    lost: list[int] = []
    while not lost and (parent is None or os.getppid() == parent):
        for descriptor, event in outputs.poll(1000):
            if event & select.POLLNVAL:
                outputs.unregister(descriptor)  # macOS doesn't support some devices
            else:
                lost.append(descriptor)
    for descriptor in lost:
        # So that final output doesn't raise.
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), descriptor)
    signal.pthread_kill(main_thread, signal.SIGTERM)
