"""Verified token requests a second, by one worker on one core, against the same server that answers a constant."""

import base64
import contextlib
import http.client
import os
import time
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from credentials import secret_text
from credentials.actor import Actor
from credentials.clients.issuing import create_client
from credentials.models import Organization, User
from credentials.programs import SSP
from portal.laptop import processes
from tests.benchmarks.measuring import Figure, at_least, at_most, in_turn, ratio
from tests.ports import free_port
from tests.world import HOME_ADDRESS

REQUESTS = 300
HASHES = 20_000
LIMITS = ("LIMIT_TOKEN_CALLS_PER_CLIENT",)


def figures(folder: Path) -> Iterator[Figure]:
    """All figures of the group; `folder` holds what the server writes."""
    pair = _credentials()
    headers = {
        "Authorization": f"Basic {base64.b64encode(':'.join(pair).encode()).decode()}",
        "X-Forwarded-For": HOME_ADDRESS,
    }
    with _one_core_each(folder / f"tokens-{uuid.uuid4().hex[:8]}") as (host, port):
        times = in_turn(
            token=partial(_ask, host, port, "/auth/token", headers),
            constant=partial(_ask, host, port, "/constant", headers),
            hash=partial(_hash, pair[1]),
        )
    value = ratio(times, "constant", "token")
    yield at_least("token requests a second, against the same server that answers a constant", value, 0.1, times)
    share = ratio(times, "hash", "token") * REQUESTS / HASHES
    yield at_most("hashing the secret, of a whole token request", share, 0.05)


def _credentials() -> tuple[str, str]:
    organization, _ = Organization.objects.get_or_create(
        entity_id="A8008", defaults={"name": "Bench tokens", **Organization.columns_of(SSP)}
    )
    user, _ = User.objects.get_or_create(email="bench@gate.example", defaults={"name": "Bench"})
    name = f"bench {uuid.uuid4().hex[:8]}"
    client, secret = create_client(organization=organization, name=name, addresses=[HOME_ADDRESS], by=Actor(user=user))
    return str(client.client_id), secret


@contextlib.contextmanager
def _one_core_each(folder: Path) -> Iterator[tuple[str, int]]:
    """A server with one synchronous worker on the first core; whoever asks it is on another, where there is one."""
    port, before = free_port(), os.sched_getaffinity(0)
    first, *others = sorted(before)
    environment = {
        "TRUSTED_PROXIES": "127.0.0.0/8",
        "DJANGO_SETTINGS_MODULE": "tests.benchmarks.constant_settings",
        **dict.fromkeys(LIMITS, "0"),
    }
    command = ["gunicorn", "portal.wsgi", "--bind", f"127.0.0.1:{port}", "--worker-class", "sync", "--workers", "1"]
    # The cores of a process are those of whoever starts it.
    os.sched_setaffinity(0, {first})
    try:
        server = processes.Process(
            "server", [*command, "--no-control-socket"], log=folder / "server.log", environment=environment
        )
    finally:
        os.sched_setaffinity(0, before)
    try:
        processes.wait_until_up(f"http://localhost:{port}", server)
        os.sched_setaffinity(0, set(others) or before)
        yield "localhost", port
    finally:
        os.sched_setaffinity(0, before)
        server.stop()


def _ask(host: str, port: int, path: str, headers: dict[str, str]) -> None:
    """One request after the other. A synchronous worker closes each connection, so both sides pay for new ones."""
    for _ in range(REQUESTS):
        connection = http.client.HTTPConnection(host, port, timeout=30)
        connection.request("POST", path, body=b"", headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if answer.status != http.HTTPStatus.OK or b"access_token" not in body:
            raise RuntimeError(f"{path} answered {answer.status}: {body.decode()[:500]}")


def _hash(secret: str) -> float:
    began = time.perf_counter()
    for _ in range(HASHES):
        secret_text.digest(secret)
    return time.perf_counter() - began
