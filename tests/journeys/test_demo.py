"""`make demo`, as a newcomer runs it: everything comes up, one export is made, and everything goes away again."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import httpx
import psutil
import pytest
from django.conf import settings

from portal.laptop import processes
from tests.journeys.conftest import free_port, required_program
from tests.journeys.person import Person

pytestmark = pytest.mark.journey

PATIENCE_SECONDS = 240
# Of a demo that sets itself up, in their order.
MOMENTS = ("postgres/data.new", "postgres/run/.s.PGSQL.5432", "logs/worker.log")


DIRECTLY = (sys.executable, "manage.py", "demo")


def through_make() -> Sequence[str]:
    """`make demo` with this environment: what it would install is there."""
    return (required_program("make"), "-o", ".venv/.installed", "-o", "node_modules/.installed", f"PY={sys.executable}")


def demo(folder: Path, *arguments: str, port: int, by_make: bool = False) -> subprocess.Popen[str]:
    """The demo in a process group of its own, as a shell starts it."""
    embedded = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "CELERY_BROKER_URL")}
    options = ["--json", "--data-dir", str(folder), "--port", str(port), *arguments]
    return subprocess.Popen(
        [*through_make(), "demo", f"ARGS={' '.join(options)}"] if by_make else [*DIRECTLY, *options],
        cwd=settings.BASE_DIR,
        env={**embedded, "CLAIMSGATE_EMBEDDED": "on"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def left_running(folder: Path) -> list[psutil.Process]:
    """The processes that still work in a data folder: by where they are, their arguments or their environment."""
    left = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(str(folder) in word for word in (process.cwd(), *process.cmdline(), *process.environ().values())):
                left.append(process)
    return left


def mails(folder: Path) -> list[str]:
    """What was mailed: files, in the laptop mode."""
    return [mail for path in (folder / "mail").glob("*.log") if (mail := path.read_text())]


def test_the_demo_exports_once_and_again_and_leaves_nothing_running(data_folder):
    port = free_port()

    once = demo(data_folder, "--once", port=port)
    output, errors = once.communicate(timeout=PATIENCE_SECONDS)
    first = json.loads(output.splitlines()[-1]) if once.returncode == 0 else pytest.fail(errors)
    left_by_the_first = left_running(data_folder)
    staying = demo(data_folder, port=port)
    assert staying.stdout is not None
    second = json.loads(staying.stdout.readline())
    up = httpx.get(f"{second['base_url']}/_health", timeout=30)
    token = httpx.post(
        f"{second['base_url']}/auth/token",
        auth=(second["organizations"][1]["client_id"], second["organizations"][1]["client_secret"]),
        timeout=30,
    )
    Person(second["base_url"]).send("/sign-in/forgotten-password", email="delegate@harbor.example")
    _until(lambda: any("/sign-in/new-password" in mail for mail in mails(data_folder)))
    mailed = "\n".join(mails(data_folder))
    staying.send_signal(signal.SIGTERM)
    staying.communicate(timeout=PATIENCE_SECONDS)

    assert set(first) == {"base_url", "organizations", "people", "export"}
    assert first["base_url"] == f"http://localhost:{port}"
    assert first["export"]["resources"]["Patient"] == 100
    assert set(first["export"]["resources"]) == {"Patient", "Coverage", "ExplanationOfBenefit"}
    assert first["export"]["files"] == 3
    assert first["export"]["bytes"] == sum(file.stat().st_size for file in (data_folder / "downloads").iterdir()) / 2
    assert left_by_the_first == []
    assert second["organizations"] == first["organizations"]
    assert second["people"] == first["people"]
    assert second["export"]["resources"] == first["export"]["resources"]
    assert (up.status_code, token.status_code) == (200, 200)
    assert f"{second['base_url']}/sign-in/new-password?link=" in mailed, "a mail leads elsewhere"
    _until(lambda: left_running(data_folder) == [])
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{second['base_url']}/_health")


def test_a_port_that_is_taken_is_said_at_once(data_folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        refused = demo(data_folder, "--once", port=port)
        _, errors = refused.communicate(timeout=PATIENCE_SECONDS)

    assert refused.returncode == 1
    assert f"Port {port}" in errors
    assert "--port" in errors
    assert left_running(data_folder) == []


# --- Whatever ends it -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[Path, int]]:
    """A data folder and a port for one demo after the other: each has to come up where another was ended."""
    folder = Path(tempfile.mkdtemp(prefix="cg-"))
    folder.chmod(0o755)
    yield folder, free_port()
    shutil.rmtree(folder)


@pytest.fixture
def start(place) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a demo in this place. What a test that fails has left running is no trouble to the next."""
    folder, port = place

    def start(*, by_make: bool = False) -> subprocess.Popen[str]:
        before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGHUP, signal.SIGTERM)}
        # As what a script starts in the background; the others may be ignored around these tests.
        before[signal.SIGINT] = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            return demo(folder, port=port, by_make=by_make)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    yield start
    for process in left_running(folder):
        with contextlib.suppress(psutil.Error):
            process.kill()


def answers(started: subprocess.Popen[str], port: int) -> bool:
    assert started.poll() is None, started.stderr and started.stderr.read()
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(f"http://localhost:{port}/_health", timeout=30).status_code == 200
    return False


def send(number: signal.Signals, started: subprocess.Popen[str]) -> None:
    started.send_signal(number)


def send_to_group(number: signal.Signals, started: subprocess.Popen[str]) -> None:
    os.killpg(started.pid, number)


def send_all_the_time(number: signal.Signals, started: subprocess.Popen[str]) -> None:
    while started.poll() is None:
        started.send_signal(number)
        time.sleep(0.001)


def close(output: str, started: subprocess.Popen[str]) -> None:
    """Once it has nothing more to say, and so does not notice by itself that nobody listens."""
    assert started.stdout is not None
    started.stdout.readline()
    getattr(started, output).close()


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_while_it_sets_itself_up_it_leaves_nothing_and_can_be_started_again(place, start, moment):
    folder, _ = place
    shutil.rmtree(folder / "postgres" / "data", ignore_errors=True)
    shutil.rmtree(folder / "logs", ignore_errors=True)

    started = start()
    # What comes after it is there as well, where a moment was missed.
    _until(lambda: any((folder / each).exists() for each in MOMENTS[MOMENTS.index(moment) :]))
    started.kill()

    _until(lambda: left_running(folder) == [])


@pytest.mark.parametrize(
    ("by_make", "end"),
    [
        pytest.param(True, partial(send_to_group, signal.SIGINT), id="Ctrl-C"),
        pytest.param(False, partial(send_all_the_time, signal.SIGTERM), id="SIGTERM, twice and more"),
        pytest.param(True, partial(send_to_group, signal.SIGTERM), id="SIGTERM to the group"),
        pytest.param(True, partial(send_to_group, signal.SIGHUP), id="SIGHUP"),
        pytest.param(False, partial(send, signal.SIGKILL), id="SIGKILL"),
        pytest.param(True, partial(send, signal.SIGKILL), id="SIGKILL of make"),
        pytest.param(False, partial(close, "stdout"), id="nobody reads standard output"),
        pytest.param(False, partial(close, "stderr"), id="nobody reads standard error"),
    ],
)
def test_whatever_ends_the_demo_ends_all_that_it_started_and_it_can_be_started_again(place, start, by_make, end):
    folder, port = place

    started = start(by_make=by_make)
    _until(lambda: answers(started, port))
    end(started)

    _until(lambda: left_running(folder) == [])
    assert processes.is_free(port)


def test_after_all_that_it_comes_up_and_exports_and_ends_on_sigterm(place, start):
    folder, port = place
    started = start()
    assert started.stdout is not None
    export = json.loads(started.stdout.readline())["export"]
    started.terminate()

    assert started.wait(PATIENCE_SECONDS) == 0
    assert export["resources"]["Patient"] == 100
    _until(lambda: left_running(folder) == [])
    assert processes.is_free(port)


def _until(condition) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not (it := condition()):
        assert time.monotonic() < until, f"it did not come to pass within {PATIENCE_SECONDS} s: {it}"
        time.sleep(0.05)
