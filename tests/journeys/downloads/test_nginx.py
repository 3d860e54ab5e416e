"""docs/nginx.conf in a real nginx, in front of a real Claimsgate: it sends export files, and only those it should."""

import base64
import datetime as dt
import hashlib
import io
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from django.urls import reverse

from attribution import synthetic
from attribution.models import RosterFile
from credentials.models import AuditEvent
from credentials.trail.audit import Action
from exports.models import Job
from tests.attribution.archives import NAME, zipped
from tests.exports.finished import finished_job, lines, spliced
from tests.journeys.conftest import PROXY_NETWORK, required_program
from tests.journeys.person import Person
from tests.journeys.processes.installation import wait_until
from tests.nginx import Nginx, nginx
from tests.ports import free_port
from tests.world import HOME_ADDRESS, OTHER_ADDRESS, World

pytestmark = [pytest.mark.journey, pytest.mark.debian]

# nginx passes the name on without its port, which is 443 where it is documented.
ORIGIN = "https://localhost"
UPLOAD = reverse("portal:roster-upload", args=["A9994"])

PLAIN = lines(40_000)
PEOPLE = 10_000
STORED = spliced(PLAIN[start : start + 50_000] for start in range(0, len(PLAIN), 50_000))


@dataclass
class Gate:
    """Claimsgate behind nginx, and a client with a token who calls through another proxy yet."""

    world: World
    nginx: Nginx
    job: Job
    http: httpx.Client

    @property
    def path(self) -> str:
        return f"/data/{self.job.pk}/{self.job.files.get().name}"

    def get(self, **headers: str) -> tuple[httpx.Response, bytes]:
        """The answer, and its bytes as they came."""
        with self.http.stream("GET", self.path, headers=headers) as answer:
            return answer, b"".join(answer.iter_raw())


@pytest.fixture
def gate(running_with, exports_folder, tmp_path) -> Iterator[Gate]:
    program = required_program("nginx", "/usr/sbin/nginx")
    world = World()
    api = world.api_client().sign_in()
    environment = {
        "EXPORTS_DIR": str(exports_folder),
        "EXPORTS_X_ACCEL_PREFIX": "/protected-exports/",
        "TRUSTED_PROXIES": f"{PROXY_NETWORK},{PROXY_NETWORK}",
        "CSRF_TRUSTED_ORIGINS": ORIGIN,
    }
    running = running_with(environment, has_worker=False)
    headers = {"Authorization": f"Bearer {api.token}", "X-Forwarded-For": HOME_ADDRESS}
    with (
        nginx(program, tmp_path / "nginx", upstream_port=running.port, exports=exports_folder) as it,
        httpx.Client(base_url=it.base_url, verify=it.trust(), headers=headers, timeout=30) as http,
    ):
        yield Gate(world, it, finished_job(world.roster(world.harbor, []), STORED), http)


def downloads() -> int:
    return AuditEvent.objects.filter(action=Action.EXPORT_DOWNLOADED).count()


def test_nginx_sends_files_as_claimsgate_would(gate, tmp_path):
    _the_stored_bytes_come_with_what_claimsgate_says_of_them(gate)
    _parts_and_conditions_mean_the_same(gate)
    _curl_resumes_over_http_2(gate, tmp_path / "resumed.gz")


def test_nginx_lets_nobody_past_claimsgate(gate):
    _whom_claimsgate_refuses_nginx_sends_nothing(gate)
    for has_token in (True, False):
        _the_protected_location_cannot_be_reached(gate, has_token=has_token)
    _plain_http_is_sent_to_https_and_only_rosters_may_be_large(gate)
    _no_log_holds_a_query_or_a_token(gate)
    _no_line_of_a_log_is_forged(gate)

    assert downloads() == 0
    assert not RosterFile.objects.filter(organization=gate.world.harbor, beneficiary_count__gt=0).exists()


def test_a_delegate_uploads_a_large_roster_and_everything_else_stays_small(gate):
    delegate = Person(gate.nginx.base_url, verify=gate.nginx.trust(), Origin=ORIGIN)
    delegate.enter(gate.world.delegate.email)
    delegate.set_up_app()
    archive = large_archive()
    assert 5_000_000 < len(archive) < 6_000_000

    uploaded = delegate.upload(UPLOAD, f"{NAME}.zip", archive)
    shown = delegate.get(uploaded.headers["Location"])
    elsewhere = delegate.http.post("/account/password", files={"file": (NAME, archive)})

    roster = RosterFile.objects.get(organization=gate.world.harbor, file_name=NAME)
    assert (uploaded.status_code, shown.status_code) == (302, 200)
    assert (roster.status, roster.beneficiary_count) == (RosterFile.Status.PREVIEWED, PEOPLE)
    assert f"{PEOPLE:,}" in shown.text
    assert (elsewhere.status_code, "X-Request-Id" in elsewhere.headers) == (413, False)


@pytest.mark.parametrize(
    ("path", "media_type", "word"),
    [
        ("/api/v2/metadata", "application/fhir+json", "transient"),
        ("/data/1/2.ndjson", "application/fhir+json", "transient"),
        ("/auth/welcome", "application/fhir+json", "transient"),
        ("/auth/token", "application/json", "temporarily_unavailable"),
        ("/admin-api/organizations", "application/json", "error"),
    ],
)
def test_programs_are_told_in_their_own_words_when_claimsgate_cannot_be_reached(tmp_path, path, media_type, word):
    program = required_program("nginx", "/usr/sbin/nginx")

    with nginx(program, tmp_path / "nginx", upstream_port=free_port(), exports=tmp_path) as it:
        away = httpx.get(it.base_url + path, verify=it.trust())
        too_large = httpx.post(it.base_url + path, content=b"x" * 1_100_000, verify=it.trust())

    assert (away.status_code, away.headers["Content-Type"], away.headers["Retry-After"]) == (503, media_type, "5")
    assert word in away.text
    assert (too_large.status_code, too_large.headers["Content-Type"]) == (413, media_type)
    assert away.json()
    assert too_large.json()


def large_archive() -> bytes:
    """A good archive that is not compressed, as some tools write them."""
    made = synthetic.cclf_archive(
        synthetic.people(7, PEOPLE),
        entity_id="A9994",
        performance_year=2026,
        timestamp=dt.datetime(2026, 11, 1, 10, tzinfo=dt.UTC),
        is_test=False,
    )
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return zipped(members, zipfile.ZIP_STORED).getvalue()


def _no_line_of_a_log_is_forged(gate: Gate) -> None:
    before = gate.nginx.access_log()

    gate.http.get("/nginx%0aFAKE%20LINE%1b%5b31m")

    # The pieces that nginx writes last may still be in its hands.
    wait_until(lambda: gate.nginx.access_log() != before, "it is logged")
    (line,) = gate.nginx.access_log().removeprefix(before).splitlines()
    assert "/nginx%0aFAKE%20LINE%1b%5b31m 404 " in line
    assert line.isprintable()


def _the_stored_bytes_come_with_what_claimsgate_says_of_them(gate: Gate) -> None:
    answer, content = gate.get(**{"Accept-Encoding": "gzip"})

    assert (answer.status_code, content) == (200, STORED)
    digest = base64.b64encode(hashlib.sha256(STORED).digest()).decode()
    told = {
        "Content-Type": "application/fhir+ndjson",
        "Content-Encoding": "gzip",
        "Content-Length": str(len(STORED)),
        "ETag": f'"{gate.job.files.get().name.removesuffix(".ndjson")}-gzip"',
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-cache",
        "Vary": "Accept-Encoding",
        "Repr-Digest": f"sha-256=:{digest}:",
        "Digest": f"sha-256={digest}",
        "X-Content-Type-Options": "nosniff",
    }
    assert {name: answer.headers.get(name) for name in told} == told
    assert answer.headers["X-Request-Id"]
    assert not {"X-Accel-Redirect", "Last-Modified", "Transfer-Encoding"} & set(map(str.title, answer.headers))
    assert downloads() == 1
    assert f"GET {gate.path} 200 {len(STORED)} bytes" in gate.nginx.access_log()


def _parts_and_conditions_mean_the_same(gate: Gate) -> None:
    accepts = {"Accept-Encoding": "gzip"}
    etag = gate.get(**accepts)[0].headers["ETag"]
    a_part = {**accepts, "Range": "bytes=1000-1999"}
    asked: list[tuple[dict[str, str], int, bytes | None]] = [
        (a_part, 206, STORED[1000:2000]),
        ({**accepts, "Range": "bytes=-7"}, 206, STORED[-7:]),
        ({**accepts, "Range": f"bytes=5-{10**18}"}, 206, STORED[5:]),
        ({**a_part, "If-Range": etag}, 206, STORED[1000:2000]),
        ({**a_part, "If-Range": '"another"'}, 200, STORED),
        ({**a_part, "If-Range": "Sun, 22 Nov 2026 08:00:00 GMT"}, 200, STORED),
        ({**accepts, "Range": "bytes=0-9,20-29"}, 200, STORED),
        ({**accepts, "Range": "bytes=" + "0-," * 500 + "0-"}, 200, STORED),
        ({**accepts, "Range": f"bytes={len(STORED)}-"}, 416, b""),
        ({**accepts, "If-None-Match": etag}, 304, b""),
        ({**accepts, "If-Match": '"another"'}, 412, b""),
        ({"Accept-Encoding": "*;q=0"}, 406, None),
        ({"Accept-Encoding": "identity"}, 200, PLAIN),
        ({"Accept-Encoding": "identity", "Range": "bytes=1000-1999"}, 206, PLAIN[1000:2000]),
    ]

    for headers, status, expected in asked:
        answer, content = gate.get(**headers)
        assert answer.status_code == status, headers
        assert expected is None or content == expected, headers
        if status == 206:
            whole = PLAIN if headers["Accept-Encoding"] == "identity" else STORED
            assert answer.headers["Content-Range"].endswith(f"/{len(whole)}")
        if expected == PLAIN:
            assert "Content-Encoding" not in answer.headers

    head = gate.http.head(gate.path, headers=accepts)
    assert (head.status_code, head.headers["Content-Length"]) == (200, str(len(STORED)))


def _curl_resumes_over_http_2(gate: Gate, target: Path) -> None:
    target.write_bytes(STORED[:12_345])

    curl = [required_program("curl"), "--silent", "--fail", "--http2", "--cacert", str(gate.nginx.certificate)]
    for name in ("Authorization", "X-Forwarded-For"):
        curl += ["--header", f"{name}: {gate.http.headers[name]}"]
    curl += ["--header", "Accept-Encoding: gzip", "--continue-at", "-", "--output", str(target)]
    subprocess.run([*curl, f"{gate.nginx.base_url}{gate.path}"], check=True)

    assert target.read_bytes() == STORED


def _the_protected_location_cannot_be_reached(gate: Gate, *, has_token: bool) -> None:
    name = f"{gate.job.pk}/{gate.job.files.get().name}"
    forged = {"X-Accel-Redirect": f"/protected-exports/{name}", "X-Original-URL": f"/protected-exports/{name}"}
    paths = [
        f"/protected-exports/{name}",
        f"//protected-exports//{name}",
        f"/%70rotected-exports/{name}",
        f"/./protected-exports/{name}",
        f"/static/../protected-exports/{name}",
        f"/static/%2e%2e/protected-exports/{name}",
        f"/data/..%2fprotected-exports/{name}",
        "/protected-exports/..%2f..%2f..%2fetc/passwd",
        "/protected-exports/",
    ]

    answers = [_get_as_it_is(gate.http, path, forged, has_token=has_token) for path in paths]

    assert [answer.status_code for answer in answers[:3]] == [404] * 3
    assert {answer.status_code for answer in answers} <= {400, 404}
    assert not any(STORED[:100] in answer.content or b"root:" in answer.content for answer in answers)


def _whom_claimsgate_refuses_nginx_sends_nothing(gate: Gate) -> None:
    away = gate.http.get(gate.path, headers={"X-Forwarded-For": OTHER_ADDRESS})
    spoofing = gate.http.get(gate.path, headers={"X-Forwarded-For": f"{HOME_ADDRESS}, {OTHER_ADDRESS}"})
    without_token = httpx.get(f"{gate.nginx.base_url}{gate.path}", verify=gate.nginx.trust())
    another = gate.world.api_client(gate.world.mesa).sign_in()
    stranger = gate.http.get(gate.path, headers={"Authorization": f"Bearer {another.token}"})
    before = gate.job.expires_at
    Job.objects.update(expires_at=gate.job.finished_at)
    too_late = gate.http.get(gate.path)
    Job.objects.update(expires_at=before)

    refused = [away, spoofing, without_token, stranger, too_late]
    assert [answer.status_code for answer in refused] == [403, 403, 401, 404, 410]
    assert all(answer.json()["resourceType"] == "OperationOutcome" for answer in refused)


def _plain_http_is_sent_to_https_and_only_rosters_may_be_large(gate: Gate) -> None:
    moved = httpx.get(f"http://localhost:{gate.nginx.plain_port}/organizations?page=2")
    large = b"x" * (2 << 20)
    elsewhere = [
        gate.http.post(path, content=large)
        for path in ("/auth/token", reverse("portal:rosters", args=["A9994"]), f"{UPLOAD}/", "/account")
    ]
    roster = gate.http.post(UPLOAD, content=large)

    assert moved.status_code == 301
    assert moved.headers["Location"] == "https://localhost/organizations?page=2"
    assert {(answer.status_code, "X-Request-Id" in answer.headers) for answer in elsewhere} == {(413, False)}
    # Claimsgate's own word: it has taken the body, and nobody is signed in.
    assert (roster.status_code, "X-Request-Id" in roster.headers) == (403, True)


def _no_log_holds_a_query_or_a_token(gate: Gate) -> None:
    token = gate.http.headers["Authorization"].removeprefix("Bearer ")
    for path in (f"/admin/login/?q=1S00A00AA00&next={token}", f"/api/v2/Patient/$export?_since={token}"):
        gate.http.get(path, headers={"Referer": "https://localhost/?q=1S00A00AA00"})
    httpx.get(f"http://localhost:{gate.nginx.plain_port}/x?q=1S00A00AA00")

    log = gate.nginx.access_log()
    assert "GET /admin/login/ " in log
    for secret in (token, "1S00A00AA00", "?", "Bearer"):
        assert secret not in log + gate.nginx.error_log()


def _get_as_it_is(http: httpx.Client, path: str, headers: dict[str, str], *, has_token: bool) -> httpx.Response:
    """A GET whose path nobody tidies up on the way."""
    request = http.build_request("GET", "/", headers=headers)
    request.url = request.url.copy_with(raw_path=path.encode())
    if not has_token:
        del request.headers["Authorization"]
    return http.send(request)
