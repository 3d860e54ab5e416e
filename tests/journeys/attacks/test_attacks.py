"""Attacks from outside, on real servers: nothing gets in, nothing is told, and what should be is written down."""

import base64
import contextlib
import hashlib
import hmac
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from credentials.access import addresses
from credentials.clients.key_registration import set_key_set_url
from credentials.models import AccessToken, AuditEvent, Client, ClientKeySet
from credentials.trail.audit import Action
from exports.models import Job
from tests.credentials.clients.key_server import KeyServer, make_authority
from tests.credentials.tokens.signing import Signer, by_hand, jwk, public_pem, rsa_key
from tests.exports.finished import finished_job, lines, spliced
from tests.journeys.conftest import Running
from tests.journeys.person import Person
from tests.world import HOME_ADDRESS, KICK_OFF_HEADERS, OTHER_ADDRESS, World

pytestmark = pytest.mark.journey

# The limits have tests of their own; here every attempt is to be judged for itself.
UNLIMITED = {
    "LIMIT_FAILURES_PER_CLIENT_AND_ADDRESS": "0",
    "LIMIT_FAILURES_PER_ADDRESS": "0",
    "LIMIT_SIGN_INS_PER_ADDRESS": "0",
}
MEGABYTE = 2**20
STORED = spliced([lines(10)])
NOBODYS_JOB = 987_654_321
ROUNDS, MOST_ROUNDS = 30, 600


class Servers:
    """Two nodes behind a proxy, one without, and a client's own server of keys."""

    def __init__(self, running: Running, keys: KeyServer) -> None:
        self.running = running
        self.first = running.base_url
        self.second = running.start_another_server()
        self.bare = running.start_another_server({"TRUSTED_PROXIES": ""})
        self.keys = keys


class Site:
    """A finished job of each organization, and Harbor's client with a token."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers
        self.running = servers.running
        self.world = World()
        self.api = self.world.api_client().sign_in()
        self.jobs = {
            organization: finished_job(self.world.roster(organization, []), STORED)
            for organization in (self.world.harbor, self.world.mesa)
        }
        self.http = httpx.Client(
            base_url=servers.first,
            headers={"X-Forwarded-For": HOME_ADDRESS, "Authorization": f"Bearer {self.api.token}"},
            timeout=60,
        )
        self.stranger = httpx.Client(base_url=servers.first, headers={"X-Forwarded-For": HOME_ADDRESS}, timeout=60)

    def file_of(self, job: Job) -> str:
        return f"/data/{job.pk}/{job.files.get().name}"

    def log(self) -> str:
        return "".join(server.log.read_text() for server in (self.running.server, *self.running.others))


@pytest.fixture(scope="module")
def servers(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[Servers]:
    """They know nothing of one test when the next begins: the database is emptied, and nothing else is kept."""
    folder = tmp_path_factory.mktemp("attacks")
    trusted, used = make_authority(folder)
    keys = KeyServer(used)
    with django_db_blocker.unblock():
        running = Running(folder, {**UNLIMITED, "SSL_CERT_FILE": str(trusted)}, has_worker=False)
    try:
        yield Servers(running, keys)
    finally:
        running.end()
        keys.stop()


@pytest.fixture
def site(servers, transactional_db, settings) -> Iterator[Site]:
    folder = servers.running.environment["EXPORTS_DIR"]
    exports = {**settings.EXPORTS_ON_DISK, "OPTIONS": {"location": folder}}
    settings.STORAGES = {**settings.STORAGES, "exports": exports}
    servers.keys.requests.clear()
    it = Site(servers)
    yield it
    # Whatever was tried, no server has stumbled over it, and they still answer.
    assert "Internal Server Error" not in it.log()
    assert it.stranger.get("/_health").status_code == 200


def reasons(action: Action) -> set[tuple[str, str | None]]:
    """What the audit trail says of those who were refused: why, and from where."""
    return {
        (event.detail["reason"], event.address)
        for event in AuditEvent.objects.filter(action=action, outcome=AuditEvent.Outcome.DENIED)
    }


# --- Who one is, and from where -------------------------------------------------------------------------------------


def test_no_header_lends_a_thief_the_address_of_the_client(site):
    # The proxy in front has written the last address of the chain; all else is the thief's own.
    seen = {"X-Forwarded-For": OTHER_ADDRESS}
    names = (
        *("Forwarded", "X-Real-Ip", "X-Client-Ip", "Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "Remote-Addr"),
        *("X-Original-Forwarded-For", "X-Cluster-Client-Ip", "Fastly-Client-Ip", "X_Forwarded_For", "Via"),
    )
    spoofed: list[dict[str, str] | list[tuple[str, str]]] = [
        seen,
        {"X-Forwarded-For": f"{HOME_ADDRESS}, {OTHER_ADDRESS}"},
        {"X-Forwarded-For": f"{HOME_ADDRESS},{HOME_ADDRESS},,{OTHER_ADDRESS}"},
        {"X-Forwarded-For": f"::ffff:{HOME_ADDRESS}, 127.0.0.1, {OTHER_ADDRESS}"},
        [("X-Forwarded-For", HOME_ADDRESS), ("X-Forwarded-For", OTHER_ADDRESS)],
        {**seen, **dict.fromkeys(names, HOME_ADDRESS)},
        {**seen, "Forwarded": f"for={HOME_ADDRESS}"},
        {"X-Forwarded-For": f"{HOME_ADDRESS}, 127.0.0.1"},
        {"X-Forwarded-For": "unknown"},
    ]
    before = AccessToken.objects.count()
    stolen = {"Authorization": f"Bearer {site.api.token}"}
    pair = (site.api.client.client_id, site.api.secret)
    bare = site.servers.bare

    for headers in spoofed:
        for base_url in (site.running.base_url, bare):
            with httpx.Client(base_url=base_url, headers=headers) as thief:
                for answer in (
                    thief.post("/auth/token", auth=pair, content=b""),
                    thief.get("/auth/welcome", headers=stolen),
                    thief.get(f"/api/v2/jobs/{site.jobs[site.world.harbor].pk}", headers=stolen),
                    thief.get(site.file_of(site.jobs[site.world.harbor]), headers=stolen),
                    thief.get("/api/v2/Group/all/$export", headers={**KICK_OFF_HEADERS, **stolen}),
                ):
                    assert answer.status_code == 403, (headers, answer.text)
                    assert HOME_ADDRESS not in answer.text
    # Without a proxy to be believed, the peer of the connection is the client, and nothing else.
    own = httpx.post(f"{bare}/auth/token", auth=pair, content=b"", headers={"X-Forwarded-For": HOME_ADDRESS})

    assert own.status_code == 403
    assert AccessToken.objects.count() == before
    assert Job.objects.count() == len(site.jobs)
    assert not AuditEvent.objects.filter(action=Action.EXPORT_DOWNLOADED).exists()
    for action in (Action.TOKEN_REFUSED, Action.REQUEST_REFUSED):
        # The last is nobody's: what the proxy called "unknown" is not taken for anybody.
        assert reasons(action) == {
            ("address_not_allowed", address) for address in (OTHER_ADDRESS, "127.0.0.1", addresses.UNKNOWN)
        }


def test_an_export_of_another_organization_is_as_if_it_had_never_been(site):
    theirs, ours = (site.jobs[each] for each in (site.world.mesa, site.world.harbor))
    running = Job.objects.create(
        organization=site.world.mesa, version=2, scope=Job.Scope.PATIENT, resource_types=["Patient"],
        request_url="a test", roster=theirs.roster,
    )  # fmt: skip
    name = theirs.files.get().name
    pairs = [
        ("GET", f"/api/v2/jobs/{theirs.pk}", f"/api/v2/jobs/{NOBODYS_JOB}"),
        ("HEAD", f"/api/v2/jobs/{theirs.pk}", f"/api/v2/jobs/{NOBODYS_JOB}"),
        ("DELETE", f"/api/v2/jobs/{theirs.pk}", f"/api/v2/jobs/{NOBODYS_JOB}"),
        ("GET", f"/api/v2/jobs/{running.pk}", f"/api/v2/jobs/{NOBODYS_JOB}"),
        ("DELETE", f"/api/v2/jobs/{running.pk}", f"/api/v2/jobs/{NOBODYS_JOB}"),
        ("GET", f"/data/{theirs.pk}/{name}", f"/data/{NOBODYS_JOB}/{name}"),
        ("HEAD", f"/data/{theirs.pk}/{name}", f"/data/{NOBODYS_JOB}/{name}"),
        ("GET", f"/data/{ours.pk}/{name}", f"/data/{NOBODYS_JOB}/{name}"),
    ]

    for method, exists, does_not in pairs:
        answers = [site.http.request(method, path) for path in (exists, does_not)]
        assert [answer.status_code for answer in answers] == [404, 404], exists
        assert answers[0].content == answers[1].content, exists
        told = [
            {key: value for key, value in answer.headers.items() if key not in {"date", "x-request-id"}}
            for answer in answers
        ]
        assert told[0] == told[1], exists

    running.refresh_from_db()
    assert running.status == Job.Status.PENDING
    assert site.http.get(site.file_of(ours)).status_code == 200
    assert set(AuditEvent.objects.filter(action=Action.EXPORT_DOWNLOADED).values_list("organization", flat=True)) == {
        site.world.harbor.pk
    }


def test_an_unknown_client_and_a_wrong_secret_take_the_same_time_and_get_the_same_answer(site):
    wrong = "cgs_" + "0" * 64
    pairs = {"known": (site.api.client.client_id, wrong), "unknown": ("11111111-2222-3333-4444-555555555555", wrong)}
    times: dict[str, list[float]] = {name: [] for name in pairs}
    answers = {name: site.stranger.post("/auth/token", auth=pair, content=b"") for name, pair in pairs.items()}

    def differ() -> bool:
        a, b = (statistics.median(each) for each in times.values())
        return abs(a - b) >= 0.25 * max(a, b)

    # What else the machine does makes a difference that goes away; one that is the server's own stays.
    rounds = 0
    while rounds < ROUNDS or (differ() and rounds < MOST_ROUNDS):
        rounds += 1
        for name, pair in pairs.items():
            began = time.perf_counter()
            site.stranger.post("/auth/token", auth=pair, content=b"")
            times[name].append(time.perf_counter() - began)

    assert not differ(), times
    assert {answer.status_code for answer in answers.values()} == {401}
    assert answers["known"].content == answers["unknown"].content
    assert reasons(Action.TOKEN_REFUSED) == {("invalid_client", HOME_ADDRESS)}
    site.api.client.refresh_from_db()
    assert site.api.client.failed_attempts == rounds + 1


# --- Assertions -----------------------------------------------------------------------------------------------------


def test_a_forged_or_used_assertion_opens_nothing_on_any_node(site):
    signer = Signer(site.api.client, rsa_key()).register()
    nodes = [site.servers.first, site.servers.second]
    aud = f"{nodes[0]}/auth/token"
    # As behind a load balancer: whichever node answers, it was called by one name.
    headers = {"X-Forwarded-For": HOME_ADDRESS, "Host": urlsplit(nodes[0]).netloc}
    header = {"kid": signer.kid, "typ": "JWT"}
    claims = signer.claims(aud=aud)
    pem = public_pem(signer.key)
    forged = {
        "none": by_hand({**header, "alg": "none"}, claims),
        "None": by_hand({**header, "alg": "None"}, claims),
        "RS384 without a signature": by_hand({**header, "alg": "RS384"}, claims),
        "HMAC with the public key": _hmac_signed({**header, "alg": "HS384"}, claims, pem.encode()),
        "HMAC with the public key, no newline": _hmac_signed({**header, "alg": "HS384"}, claims, pem.strip().encode()),
        "a key of the attacker": signer.assertion(aud=aud, key=rsa_key(number=1)),
        "a key of the attacker in the header": signer.assertion(
            aud=aud, key=rsa_key(number=1), header={"jwk": jwk(rsa_key(number=1), "first")}
        ),
        "another kid": signer.assertion(aud=aud, header={"kid": "../../../dev/null"}),
        "a kid for the database": signer.assertion(aud=aud, header={"kid": "first' OR '1'='1"}),
        "made for another server": signer.assertion(aud="https://another.example/auth/token"),
        "made for several": signer.assertion(aud=[aud, "https://another.example/auth/token"]),
        "as another client": signer.assertion(aud=aud, iss="11111111-2222-3333-4444-555555555555"),
        "over": signer.assertion(aud=aud, exp=int(time.time()) - 60),
        "an hour long": signer.assertion(aud=aud, exp=int(time.time()) + 3600),
    }
    good = signer.assertion(aud=aud)

    def ask(node: str, assertion: str) -> httpx.Response:
        return httpx.post(f"{node}/auth/token", data=signer.form(assertion), headers=headers, timeout=60)

    before = AccessToken.objects.count()
    refused = {name: ask(node, assertion) for name, assertion in forged.items() for node in nodes}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: ask(nodes[number % 2], good), range(8)))
    afterwards = [ask(node, good).status_code for node in nodes]

    assert {name: answer.status_code for name, answer in refused.items() if answer.status_code != 401} == {}
    assert all(answer.json()["error"] == "invalid_client" for answer in refused.values())
    assert sorted(answer.status_code for answer in answers) == [200, *[401] * 7]
    assert afterwards == [401, 401]
    assert AccessToken.objects.count() == before + 1
    assert {reason for reason, _ in reasons(Action.TOKEN_REFUSED)} == {
        *("algorithm_not_allowed", "signature_wrong", "key_unknown", "assertion_audience", "assertion_subject"),
        *("assertion_expired", "assertion_long_lived", "assertion_replayed"),
    }


def _hmac_signed(header: dict, claims: dict, key: bytes) -> str:
    """What a library would sign that takes the public key for a secret; PyJWT refuses to."""
    signed = by_hand(header, claims).rpartition(".")[0]
    signature = hmac.new(key, signed.encode(), hashlib.sha384).digest()
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def test_no_key_set_url_makes_the_server_call_what_is_inside(site):
    signer = Signer(site.api.client)
    port = site.servers.keys.port
    hosts = (
        *("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]", "127.1"),
        *("2130706433", "0x7f000001", "0177.0.0.1", "localhost.", "LOCALHOST", "user@127.0.0.1"),
        *("169.254.169.254", "[::ffff:169.254.169.254]", "[fe80::1]", "[fd00:ec2::254]", "10.0.0.1", "192.168.0.1"),
        *("[64:ff9b::7f00:1]", "[2002:7f00:1::]", "100.64.0.1"),
    )
    delegate = Person(site.running.base_url).signed_in_as(site.world.delegate)
    page = f"/organizations/A9994/credentials/{site.api.client.client_id}/keys/url"
    before = AccessToken.objects.count()

    for host in hosts:
        url = f"https://{host}:{port}/jwks.json"
        # At the form, most are refused at once …
        asked = delegate.send(page, url=url)
        assert asked.status_code in {302, 400}, url
        # … and those that got into the table all the same, as a name does that is pointed elsewhere later, at the call.
        ClientKeySet.objects.filter(client=site.api.client).delete()
        ClientKeySet.objects.create(client=site.api.client, url=url)
        answer = site.stranger.post(
            "/auth/token", data=signer.form(signer.assertion(aud=f"{site.running.base_url}/auth/token"))
        )
        assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"}), url

    assert site.servers.keys.requests == []
    assert AccessToken.objects.count() == before
    assert reasons(Action.TOKEN_REFUSED) == {("key_set_unavailable", HOME_ADDRESS)}


def test_a_key_set_of_50_megabytes_costs_neither_time_nor_memory(site):
    site.world.harbor.is_sandbox = True
    site.world.harbor.save()
    set_key_set_url(site.api.client, site.servers.keys.url(), by=site.world.delegate)
    signer = Signer(site.api.client)
    sent: list[int] = []
    done = threading.Event()

    def flood(handler) -> None:
        with contextlib.suppress(OSError):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 52428800\r\n\r\n")
            for _ in range(50):
                handler.wfile.write(b" " * MEGABYTE)
                sent.append(MEGABYTE)
        done.set()

    site.servers.keys.behaviour = flood
    server = psutil.Process(site.running.server.pid)
    before = _memory(server)

    answer = site.stranger.post(
        "/auth/token", data=signer.form(signer.assertion(aud=f"{site.running.base_url}/auth/token"))
    )

    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})
    assert _memory(server) - before < 20 * MEGABYTE
    assert done.wait(60), (sent, site.servers.keys.requests)
    assert sum(sent) < 20 * MEGABYTE
    assert reasons(Action.TOKEN_REFUSED) == {("key_set_unavailable", HOME_ADDRESS)}


def _memory(process: psutil.Process) -> int:
    """Of a process and its children, in bytes."""
    return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))


# --- People ---------------------------------------------------------------------------------------------------------


def test_a_session_that_was_planted_is_worth_nothing(site):
    victim, colleague = Person(site.running.base_url), site.world.colleague
    made_up = "abcdefghijklmnopqrstuvwxyz012345"
    victim.http.cookies.set("claimsgate_session", made_up, domain="localhost.local")
    victim.get("/sign-in")
    planted = [made_up]
    # A link to set a password begins a session before anybody has signed in.
    victim.get("/sign-in/new-password?link=1-x")
    planted.append(str(victim.session))

    entered = victim.enter(colleague.email)

    assert (entered.status_code, entered.headers["Location"]) == (302, "/organizations")
    assert victim.get("/organizations/A9994").status_code == 200
    assert victim.session not in planted
    for session in planted:
        attacker = Person(site.running.base_url)
        attacker.http.cookies.set("claimsgate_session", session, domain="localhost.local")
        assert attacker.get("/organizations/A9994").status_code == 302


def test_no_other_site_sends_a_form_in_the_name_of_a_person(site):
    delegate = Person(site.running.base_url).signed_in_as(site.world.delegate)
    client, secret = site.api.client, site.api.client.secrets.get()
    base = f"/organizations/A9994/credentials/{client.client_id}"
    forms = {
        "/organizations/A9994/credentials/new": {"name": "Theirs", "address_1": OTHER_ADDRESS},
        f"{base}/addresses": {"address_1": OTHER_ADDRESS},
        f"{base}/rotate": {"overlap": "0"},
        f"{base}/revoke": {},
        f"{base}/secrets/{secret.pk}/revoke": {},
        f"{base}/keys/new": {"name": "Theirs", "pasted": public_pem(rsa_key())},
        f"{base}/keys/url": {"url": "https://attacker.example/jwks.json"},
        "/organizations/A9994/exports/new": {"types": "Patient"},
        "/account/sessions/end-others": {},
        "/account/second-step/codes/new": {},
        "/sign-out": {},
    }
    token = delegate.form_token("/organizations/A9994/credentials/new")
    foreign = Person(site.running.base_url).form_token("/sign-in")
    events = AuditEvent.objects.count()

    for path, fields in forms.items():
        for attempt in ({}, {"csrfmiddlewaretoken": ""}, {"csrfmiddlewaretoken": foreign}):
            assert delegate.http.post(path, data={**fields, **attempt}).status_code == 403, path
        from_elsewhere = {"Origin": "https://attacker.example"}
        sent = delegate.http.post(path, data={**fields, "csrfmiddlewaretoken": token}, headers=from_elsewhere)
        assert sent.status_code == 403, path
        # A link or an image is enough for GET, so that must change nothing.
        delegate.http.get(path, params=fields)

    assert AuditEvent.objects.count() == events
    assert Client.objects.get() == client
    assert [str(address) for address in client.addresses.all()] == [HOME_ADDRESS]
    assert client.secrets.live().get() == secret
    assert delegate.get("/organizations/A9994/credentials").status_code == 200


def test_signing_in_leads_to_no_other_site(site):
    targets = (
        *("//attacker.example", "///attacker.example", "https://attacker.example", "https:attacker.example"),
        *("/\\attacker.example", "\\\\attacker.example", "javascript:alert(1)", " //attacker.example"),
        *("http://localhost@attacker.example/", "/\t/attacker.example", "%2f%2fattacker.example"),
        *("//attacker.example%2f@localhost/", "/organizations\r\nSet-Cookie: a=b", "/%0d%0aSet-Cookie:%20a=b"),
    )
    colleague = site.world.colleague

    for target in targets:
        person = Person(site.running.base_url).signed_in_as(colleague)
        asked = [person.http.get("/sign-in", params={"next": target})]
        asked.append(person.http.get("/account/second-step", params={"next": target}))
        for answer in asked:
            _leads_nowhere_else(site, answer, target)
    for target in targets[:6]:
        _leads_nowhere_else(site, Person(site.running.base_url).enter(colleague.email, next=target), target)


def _leads_nowhere_else(site: Site, answer: httpx.Response, target: str) -> None:
    if (location := answer.headers.get("Location")) is not None:
        where = httpx.URL(f"{site.running.base_url}/sign-in").join(location)
        assert where.netloc.decode() == urlsplit(site.running.base_url).netloc, (target, location)
    assert "a" not in answer.cookies, target


# --- What no honest client sends ------------------------------------------------------------------------------------


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
    memory = _memory(server)

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
    assert _memory(server) - memory < 150 * MEGABYTE
    assert AccessToken.objects.count() == before
    assert AccessToken.objects.live().get() == token
    job.refresh_from_db()
    assert (job.status, Job.objects.count()) == (Job.Status.COMPLETED, len(site.jobs))
    assert ("invalid_client", HOME_ADDRESS) in reasons(Action.TOKEN_REFUSED)
    assert secret not in site.log()


def _pieces(body: bytes) -> Iterator[bytes]:
    """A body whose length is not told."""
    yield from (body[at : at + MEGABYTE] for at in range(0, len(body), MEGABYTE))
