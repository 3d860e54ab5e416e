"""`make demo`, as a newcomer runs it: everything comes up, one export is made, and everything goes away again."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest
from django.conf import settings

from tests.journeys.conftest import free_port
from tests.journeys.person import Person

pytestmark = pytest.mark.journey

PATIENCE_SECONDS = 240


def demo(folder: Path, *arguments: str, port: int) -> subprocess.Popen[str]:
    embedded = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "CELERY_BROKER_URL")}
    return subprocess.Popen(
        [sys.executable, "manage.py", "demo", "--json", "--data-dir", str(folder), "--port", str(port), *arguments],
        cwd=settings.BASE_DIR,
        env={**embedded, "CLAIMSGATE_EMBEDDED": "on"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left_running(folder: Path) -> list[str]:
    """The processes that still work in a data folder."""
    return [
        " ".join(process.info["cmdline"])
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in word for word in process.info["cmdline"] or [])
    ]


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
    up = httpx.get(f"{second['base_url']}/_health")
    token = httpx.post(
        f"{second['base_url']}/auth/token",
        auth=(second["organizations"][1]["client_id"], second["organizations"][1]["client_secret"]),
    )
    Person(second["base_url"]).send("/sign-in/forgotten-password", email="delegate@harbor.example")
    _until(lambda: mails(data_folder))
    [mail] = mails(data_folder)
    staying.send_signal(signal.SIGTERM)
    staying.communicate(timeout=60)

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
    assert f"{second['base_url']}/sign-in/new-password?link=" in mail, "a mail leads elsewhere"
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
    assert f"port {port}" in errors
    assert "--port" in errors
    assert left_running(data_folder) == []


def _until(condition) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, "it did not come to pass within 20 s"
        time.sleep(0.2)
