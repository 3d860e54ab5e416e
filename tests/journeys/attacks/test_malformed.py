"""Attacks from outside, on real servers: what no honest client sends."""

import base64
import contextlib
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from credentials.models import AccessToken
from credentials.trail.audit import Action
from exports.models import Job
from tests.journeys.attacks.site import MEGABYTE, Site, memory_of, reasons
from tests.world import HOME_ADDRESS, KICK_OFF_HEADERS

pytestmark = pytest.mark.journey


def test_no_parameter_writes_a_header(site):
    split = "%0d%0aX-Injected:%20yes%0d%0aSet-Cookie:%20injected=yes"
    file = site.file_of(site.jobs[site.world.harbor])
    paths = [
        f"/api/v2/Group/all/$export?_type=Patient{split}",
        f"/api/v2/Group/all/$export?_since=2026-01-01T00:00:00Z{split}",
        f"/api/v2/Group/all/$export?_outputFormat=ndjson{split}",
        f"/api/v2/Group/all{split}/$export",
        f"/api/v2/Group/all/$export?{split}=1",
        f"/api/v2/jobs/1{split}",
        f"{file}{split}",
        f"/data/1{split}/a.ndjson",
        f"/sign-in?next=/organizations{split}",
        f"/organizations/A9994{split}",
        f"/sign-in/new-password?link=1-a{split}",
        f"/sign-in/with/none{split}",
        f"/{split}",
    ]
    headers = [
        ("Authorization", f"Bearer {site.api.token}"), ("X-Forwarded-For", HOME_ADDRESS),
        ("Accept", "application/fhir+json"), ("Prefer", "respond-async"),
    ]  # fmt: skip
    injected = "a\r\nX-Injected: yes"

    answers = [_raw(site, "GET", path, headers) for path in paths]
    # What is in a header cannot hold a line's end; what looks like one stays where it is.
    for name in ("X-Request-Id", "If-None-Match", "Range", "Accept-Encoding", "Accept", "Prefer", "Origin"):
        answers.extend(
            _raw(site, "GET", file, [*headers, (name, value)])
            for value in ("a%0d%0aX-Injected: yes", "a\rX-Injected: yes", "a\x0bX-Injected: yes", "a\x00b")
        )
    answers.extend(
        _raw(site, "POST", "/auth/token", [*headers[1:2], ("Content-Length", str(len(body))), form], body=body)
        for form in [("Content-Type", "application/x-www-form-urlencoded")]
        for body in (
            f"grant_type=client_credentials&client_id={split}&client_secret={split}",
            f"grant_type={split}&scope={split}",
            f"client_assertion_type={split}&client_assertion={split}",
        )
    )
    hosts = [_raw(site, "GET", "/api/v2/metadata", [("Host", host)]) for host in ("attacker.example", injected)]

    for answer in (*answers, *hosts):
        head = answer.partition(b"\r\n\r\n")[0].lower()
        assert head.startswith(b"http/1.1 "), head
        assert b"\nx-injected" not in head
        assert b"injected=yes" not in head
        assert b"500" not in head.split(b"\r\n")[0], head
    assert b" 400 " in hosts[0].partition(b"\r\n")[0]
    assert all(b"attacker.example/" not in answer for answer in hosts)


def _raw(site: Site, method: str, path: str, headers: list[tuple[str, str]], *, body: str = "") -> bytes:
    """The answer to a request that no library would send."""
    port = urlsplit(site.running.base_url).port
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "Connection: close"]
    if "Host" not in dict(headers):
        lines.insert(1, f"Host: localhost:{port}")
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(("\r\n".join(lines) + f"\r\n\r\n{body}").encode())
        answer = b""
        with contextlib.suppress(ConnectionError):
            while block := connection.recv(65536):
                answer += block
    return answer


def test_what_is_malformed_or_much_too_large_is_refused_and_the_server_goes_on(site):
    token = AccessToken.objects.get()
    client_id, secret = site.api.client.client_id, site.api.secret
    job = site.jobs[site.world.harbor]
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    much = b"a=" + b"b" * (50 * MEGABYTE)
    basics = [
        b":", b"\0:\0", client_id.encode() + b"\0:" + secret.encode(), b"\xff\xfe:\xff", "é:ü".encode("latin-1"),
        f"{client_id}:{secret}\0".encode(), f"{client_id}%00:{secret}".encode(), b"%ff%fe:%00", b"a" * 5_000 + b":b",
        f"{client_id}:{secret}:".encode(), f" {client_id}:{secret}".encode(),
    ]  # fmt: skip
    before, server = AccessToken.objects.count(), psutil.Process(site.running.server.pid)
    memory = memory_of(server)

    refused: dict[str, httpx.Response] = {}
    for number, basic in enumerate(basics):
        header = {"Authorization": f"Basic {base64.b64encode(basic).decode()}"}
        for path in ("token", "introspect", "revoke"):
            refused[f"Basic {number} at {path}"] = site.stranger.post(f"/auth/{path}", headers=header, content=b"")
    for header in ("Basic", "Basic !", "Basic =", "Bearer", "Bearer \xff", "Bearer " + "x" * 8_000, "Digest a", "\xe9"):
        for method, path in (("POST", "/auth/token"), ("GET", "/auth/welcome")):
            raw = {"Authorization": header.encode("latin-1")}
            refused[f"{header[:20]} at {path}"] = site.stranger.request(method, path, headers=raw)
    for body in (b"client_id=%00&client_secret=%00", b"\xff\xfe=\xff", b"&&&=;", b"%", b"a=1&" * 2_000):
        refused[f"body {body[:20]!r}"] = site.stranger.post("/auth/token", content=body, headers=form)
    refused["50 MB"] = site.stranger.post("/auth/token", content=much, headers=form)
    refused["50 MB, pieces"] = site.stranger.post("/auth/token", content=_pieces(much), headers=form)
    refused["50 MB, a file"] = site.stranger.post("/auth/token", files={"file": much})
    refused["50 MB, JSON"] = site.stranger.post(
        "/auth/token", content=much, headers={"Content-Type": "application/json"}
    )
    refused["50 MB at the door"] = site.stranger.post("/sign-in", content=much, headers=form)
    huge = _raw(site, "POST", "/auth/token", [("Authorization", "Basic " + "QQ" * (MEGABYTE // 2))])
    many = _raw(site, "GET", "/auth/welcome", [(f"X-{number}", "a") for number in range(500)])
    for override in ("X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"):
        for path in (f"/api/v2/jobs/{job.pk}?_method=DELETE", "/api/v2/Group/all/$export?_method=GET"):
            answer = site.http.post(path, headers={override: "DELETE", **KICK_OFF_HEADERS}, data={"_method": "DELETE"})
            assert answer.status_code == 405

    wrong = {
        name: answer.status_code for name, answer in refused.items() if answer.status_code not in {400, 401, 403, 413}
    }
    assert wrong == {}
    assert all(answer.partition(b"\r\n")[0].split()[1] in {b"400", b"431"} for answer in (huge, many))
    assert memory_of(server) - memory < 150 * MEGABYTE
    assert AccessToken.objects.count() == before
    assert AccessToken.objects.live().get() == token
    job.refresh_from_db()
    assert (job.status, Job.objects.count()) == (Job.Status.COMPLETED, len(site.jobs))
    assert ("invalid_client", HOME_ADDRESS) in reasons(Action.TOKEN_REFUSED)
    assert secret not in site.log()


def _pieces(body: bytes) -> Iterator[bytes]:
    """A body whose length is not told."""
    yield from (body[at : at + MEGABYTE] for at in range(0, len(body), MEGABYTE))
