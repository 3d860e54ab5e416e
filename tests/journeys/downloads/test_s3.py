"""Export files on a server that speaks S3, written by a real worker, fetched through us or from S3 itself."""

import asyncio
import datetime as dt
import gzip
import http.client
import http.server
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp
import httpx
import pytest
import requests
from django.db.models.functions import Now

from attribution import synthetic
from attribution.models import Beneficiary, Mbi
from credentials.models import AuditEvent
from credentials.trail.audit import Action
from exports.intake.sandbox import load_synthetic_claims
from exports.models import Job
from exports.pipeline import expire
from exports.tasks import call_expire
from tests.exports.finished import finished_job, lines, spliced
from tests.journeys.conftest import required_program
from tests.s3 import CREDENTIALS, S3Server, s3_server
from tests.world import HOME_ADDRESS, KICK_OFF_HEADERS, World

pytestmark = pytest.mark.journey

PLAIN = lines(40_000)
STORED = spliced(PLAIN[start : start + 50_000] for start in range(0, len(PLAIN), 50_000))
PATIENCE_SECONDS = 90


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    with s3_server() as it:
        yield it


@pytest.fixture
def on_s3(server, settings, monkeypatch) -> S3Server:
    """The test itself stores there, too."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    settings.STORAGES = {**settings.STORAGES, "exports": server.storage()}
    return server


def caller(world: World, base_url: str) -> httpx.Client:
    token = world.api_client().sign_in().token
    headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": HOME_ADDRESS}
    return httpx.Client(base_url=base_url, headers=headers, timeout=30)


def raw(http: httpx.Client, url: str, **headers: str) -> tuple[httpx.Response, bytes]:
    """The answer, and its bytes as they came."""
    with http.stream("GET", url, headers=headers) as answer:
        return answer, b"".join(answer.iter_raw())


def test_an_export_to_s3_is_written_fetched_and_removed_when_its_time_is_over(running_with, on_s3):
    world = World()
    people = list(synthetic.people(7, 6))
    for person in people:
        Mbi.objects.create(value=person.mbi, beneficiary=Beneficiary.objects.create())
    world.roster(world.harbor, [person.mbi for person in people])
    start, end = dt.date(2024, 1, 1), dt.date(2026, 1, 1)
    load_synthetic_claims(people, seed=7, start_date=start, end_date=end, source="a test")
    running = running_with({**on_s3.environment(), "EXPORTS_S3_PREFIX": "gate/files"})
    api = caller(world, running.base_url)

    started = api.get("/api/v2/Group/all/$export", headers=KICK_OFF_HEADERS)
    job_url = started.headers["Content-Location"]
    manifest = _wait_for_manifest(api, job_url)

    job = Job.objects.get(pk=manifest["JobID"])
    keys = {f"gate/files/{job.pk}/{file.name}" for file in job.files.all()}
    assert set(on_s3.stored_keys()) == keys
    assert {entry["type"] for entry in manifest["output"]} == {"Patient", "Coverage", "ExplanationOfBenefit"}
    for entry in manifest["output"]:
        name = entry["url"].rpartition("/")[2]
        stored = on_s3.client.get_object(Bucket=on_s3.bucket, Key=f"gate/files/{job.pk}/{name}")["Body"].read()
        plain = gzip.decompress(stored)
        assert raw(api, entry["url"], **{"Accept-Encoding": "gzip"})[1] == stored
        assert raw(api, entry["url"], **{"Accept-Encoding": "identity"})[1] == plain
        assert plain.count(b"\n") == entry["count"]
        part, bytes_of_part = raw(api, entry["url"], **{"Accept-Encoding": "gzip", "Range": "bytes=100-199"})
        assert (part.status_code, bytes_of_part) == (206, stored[100:200])
        rest, bytes_of_rest = raw(api, entry["url"], **{"Accept-Encoding": "identity", "Range": "bytes=1000-"})
        assert (rest.status_code, bytes_of_rest) == (206, plain[1000:])

    Job.objects.update(expires_at=Now())
    call_expire()
    _wait_until(lambda: not on_s3.stored_keys())
    assert raw(api, manifest["output"][0]["url"])[0].status_code == 410
    assert api.get(job_url).status_code == 410


def test_a_download_from_s3_that_has_begun_is_finished_although_its_time_is_over(running_with, on_s3):
    plain = random.Random(1).randbytes(24 << 20)
    world = World()
    job = finished_job(world.roster(world.harbor, []), gzip.compress(plain, compresslevel=0))
    api = caller(world, running_with(on_s3.environment(), has_worker=False).base_url)
    path = f"/data/{job.pk}/{job.files.get().name}"

    with api.stream("GET", path) as answer:
        pieces = answer.iter_bytes(64 * 1024)
        fetched = [next(pieces)]
        Job.objects.update(expires_at=Now())
        expired = expire.expire()
        keys = [key for key in on_s3.stored_keys() if key.startswith(f"{job.pk}/")]
        fetched += pieces

    assert (expired, keys) == (1, [])
    assert b"".join(fetched) == plain
    assert api.get(path).status_code == 410


# --- Sent to S3 -----------------------------------------------------------------------------------------------------


@dataclass
class Forwarder:
    """Stands in front of the S3 server and remembers with which headers files were asked for by signed URLs."""

    url: str = ""
    asked: list[dict[str, str]] = field(default_factory=list)


@pytest.fixture
def forwarder(server) -> Iterator[Forwarder]:
    it = Forwarder()
    target = urlsplit(server.endpoint_url).netloc

    class Handler(http.server.BaseHTTPRequestHandler):
        def forward(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            if "X-Amz-Signature" in self.path:
                it.asked.append(headers)
            body = self.rfile.read(int(headers.get("content-length", 0)))
            onward = http.client.HTTPConnection(target, timeout=30)
            onward.request(self.command, self.path, body, headers)
            answer = onward.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in {"connection", "transfer-encoding", "date", "server"}:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward  # noqa: N815  # the library's names

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        it.url = f"http://localhost:{listening.server_port}"
        yield it
        listening.shutdown()


@pytest.mark.debian
def test_clients_that_are_sent_to_s3_get_the_same_bytes_and_keep_their_token_to_themselves(
    running_with, on_s3, forwarder
):
    world = World()
    job = finished_job(world.roster(world.harbor, []), STORED)
    environment = {"EXPORTS_S3_ENDPOINT_URL": forwarder.url, "EXPORTS_S3_REDIRECT_SECONDS": "60"}
    running = running_with({**on_s3.environment(), **environment}, has_worker=False)
    api = caller(world, running.base_url)
    path = f"/data/{job.pk}/{job.files.get().name}"
    url, headers = f"{running.base_url}{path}", dict(api.headers)
    curl = [required_program("curl"), "--silent", "--fail", "--location"]
    for name in ("authorization", "x-forwarded-for"):
        curl += ["--header", f"{name}: {headers[name]}"]

    sent, _ = raw(api, path, **{"Accept-Encoding": "gzip"})
    fetched = {
        "curl": _output_of([*curl, "--compressed", url]),
        "httpx": api.get(path, follow_redirects=True).content,
        "requests": requests.get(url, headers=headers, timeout=30).content,
        "aiohttp": asyncio.run(_by_aiohttp(url, headers)),
    }
    by_s3 = len(forwarder.asked)
    by_us = _output_of([*curl, url])
    part = _output_of([*curl, "--header", "Accept-Encoding: gzip", "--range", "100-199", url])
    head = api.head(path, headers={"Accept-Encoding": "gzip"})

    assert (sent.status_code, sent.headers["Cache-Control"]) == (302, "no-store")
    assert sent.headers["Location"].startswith(forwarder.url)
    assert {client: content == PLAIN for client, content in fetched.items()} == dict.fromkeys(fetched, True)
    assert by_s3 == len(fetched), "whoever takes gzip was sent to S3"
    assert by_us == PLAIN
    assert part == STORED[100:200]
    assert not any("authorization" in asked or "cookie" in asked for asked in forwarder.asked)
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(STORED)))
    assert AuditEvent.objects.filter(action=Action.EXPORT_DOWNLOADED).count() == len(fetched) + 3

    Job.objects.update(expires_at=Now())
    expire.expire()
    assert httpx.get(sent.headers["Location"]).status_code == 404
    assert api.get(path).status_code == 410


async def _by_aiohttp(url: str, headers: dict[str, str]) -> bytes:
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as answer:
        return await answer.read()


def _output_of(command: list[str]) -> bytes:
    return subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE_SECONDS).stdout


def _wait_for_manifest(api: httpx.Client, job_url: str) -> dict:
    answers: list[httpx.Response] = []

    def is_finished() -> bool:
        answers.append(api.get(job_url))
        assert answers[-1].status_code in {200, 202}, answers[-1].text
        return answers[-1].status_code == 200

    _wait_until(is_finished)
    return answers[-1].json()


def _wait_until(condition) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < until, "it did not come to pass"
        time.sleep(0.1)
