"""Attacks from outside, on real servers: who one is, and from where."""

import statistics
import time

import httpx
import pytest

from credentials.access import addresses
from credentials.models import AccessToken, AuditEvent
from credentials.trail.audit import Action
from exports.models import Job
from tests.journeys.attacks.site import reasons
from tests.world import HOME_ADDRESS, KICK_OFF_HEADERS, OTHER_ADDRESS

pytestmark = pytest.mark.journey

NOBODYS_JOB = 987_654_321
ROUNDS, MOST_ROUNDS = 30, 600


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
