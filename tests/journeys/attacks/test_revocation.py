"""Revoked on one node, refused on another: at the very next request."""

from collections.abc import Callable

import httpx
import pytest

from credentials.models import AuditEvent, Organization
from credentials.trail.audit import Action
from exports.models import Job
from tests.credentials.tokens.signing import Signer
from tests.exports.finished import finished_job, lines, spliced
from tests.exports.store import fill
from tests.journeys.person import Person
from tests.world import HOME_ADDRESS, KICK_OFF_HEADERS, OTHER_ADDRESS, ApiClient, MembershipFactory, World

pytestmark = pytest.mark.journey

CREDENTIALS = "/organizations/A9994/credentials"


class Caller:
    """A client with a token, at one node, over a connection that stays open."""

    def __init__(self, api: ApiClient, node: str, file: str) -> None:
        self.api = api
        self.http = httpx.Client(base_url=node, headers={"X-Forwarded-For": HOME_ADDRESS}, timeout=30)
        self.file = file
        self.take(self.http.post("/auth/token", auth=(api.client.client_id, api.secret), content=b""))

    def take(self, answer: httpx.Response) -> None:
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def tries(self) -> list[int]:
        """The statuses of everything that its token may open."""
        statuses = [self.http.get(path).status_code for path in ("/auth/welcome", self.file, "/api/v2/jobs/987654321")]
        return [*statuses, self.http.get("/api/v2/Group/all/$export", headers=KICK_OFF_HEADERS).status_code]


def test_what_is_ended_on_one_node_is_refused_on_another_at_the_very_next_request(running_with, exports_folder):
    running = running_with(has_worker=False)
    world, node = World(), running.start_another_server()
    fill(world)
    job = finished_job(world.roster(world.harbor, []), spliced([lines(10)]))
    file = f"/data/{job.pk}/{job.files.get().name}"
    delegate = Person(node).signed_in_as(world.delegate)

    def page(api: ApiClient, rest: str) -> str:
        return f"{CREDENTIALS}/{api.client.client_id}/{rest}"

    def revoke_secret(api: ApiClient) -> httpx.Response:
        return delegate.send(page(api, f"secrets/{api.client.secrets.get().pk}/revoke"), exports="keep")

    def revoke_client(api: ApiClient) -> httpx.Response:
        return delegate.send(page(api, "revoke"), exports="keep")

    def rotate_without_overlap(api: ApiClient) -> httpx.Response:
        return delegate.send(page(api, "rotate"), overlap="0")

    def take_address_off(api: ApiClient) -> httpx.Response:
        return delegate.send(page(api, "addresses"), address_1=OTHER_ADDRESS)

    def deny_organization(api: ApiClient) -> httpx.Response:
        running.manage(
            "set_organization_state", "A9994", "denied", "--reason", "It has left.", "--by", world.operator.email
        )
        return httpx.Response(302)

    ways: list[tuple[Callable[[ApiClient], httpx.Response], int, str]] = [
        (revoke_secret, 401, "token_revoked"),
        (revoke_client, 401, "token_revoked"),
        (rotate_without_overlap, 401, "token_revoked"),
        (take_address_off, 403, "address_not_allowed"),
        (deny_organization, 403, "organization_denied"),
    ]
    for end, status, reason in ways:
        caller = Caller(world.api_client(name=end.__name__), running.base_url, file)
        before = caller.tries()
        jobs = Job.objects.count()

        ended = end(caller.api)

        assert ended.status_code == 302, (end.__name__, ended.text)
        assert caller.tries() == [status] * 4, end.__name__
        again = caller.http.post("/auth/token", auth=(caller.api.client.client_id, caller.api.secret), content=b"")
        assert again.status_code in {401, 403}, end.__name__
        assert before == [200, 200, 404, 202]
        assert Job.objects.count() == jobs
        refused = AuditEvent.objects.filter(action=Action.REQUEST_REFUSED, client=caller.api.client)
        assert {event.detail["reason"] for event in refused} == {reason}, end.__name__


def test_with_a_key_its_tokens_end_on_every_node(running_with):
    running = running_with(has_worker=False)
    world, node = World(), running.start_another_server()
    api = world.api_client()
    signer = Signer(api.client).register()
    delegate = Person(node).signed_in_as(world.delegate)
    caller = Caller(api, running.base_url, "/")
    assertions = [signer.assertion(aud=f"{running.base_url}/auth/token") for _ in range(2)]
    caller.http.headers.pop("Authorization")
    caller.take(caller.http.post("/auth/token", data=signer.form(assertions[0])))
    before = caller.http.get("/auth/welcome").status_code

    ended = delegate.send(f"{CREDENTIALS}/{api.client.client_id}/keys/{api.client.keys.get().pk}/revoke")

    assert (before, ended.status_code) == (200, 302)
    assert caller.http.get("/auth/welcome").status_code == 401
    caller.http.headers.pop("Authorization")
    assert caller.http.post("/auth/token", data=signer.form(assertions[1])).status_code == 401


def test_a_person_who_is_signed_out_or_sent_away_on_one_node_is_so_on_another(running_with):
    running = running_with(has_worker=False)
    world, node = World(), running.start_another_server()
    here, there = (Person(base_url).signed_in_as(world.colleague) for base_url in (running.base_url, node))
    overview = "/organizations/A9994"
    before = [here.get(overview).status_code, there.get(overview).status_code]

    there.form_token("/account/sessions")
    ended = there.http.post("/account/sessions/end-others", data={"csrfmiddlewaretoken": there.form_token_kept()})

    assert (before, ended.status_code) == ([200, 200], 302)
    assert here.get(overview).headers["Location"].startswith("/sign-in")
    assert there.get(overview).status_code == 200

    again = Person(running.base_url).signed_in_as(world.colleague)
    assert again.get(overview).status_code == 200
    world.colleague.memberships.all().delete()
    assert [again.get(overview).status_code, there.get(overview).status_code] == [404, 404]

    MembershipFactory(organization=world.harbor, user=world.colleague)
    world.colleague.is_active = False
    world.colleague.save()
    assert [person.get(overview).status_code for person in (again, there)] == [302, 302]


def test_with_a_client_its_running_exports_end_when_that_is_asked_for(running_with, exports_folder):
    running = running_with(has_worker=False)
    world, node = World(), running.start_another_server()
    fill(world)
    job = finished_job(world.roster(world.harbor, []), spliced([lines(10)]))
    file = f"/data/{job.pk}/{job.files.get().name}"
    ended, other = (Caller(world.api_client(name=name), running.base_url, file) for name in ("ETL", "Vendor"))
    started = ended.http.get("/api/v2/Group/all/$export", headers=KICK_OFF_HEADERS).headers["Content-Location"]
    before = [caller.http.get(started).status_code for caller in (ended, other)]
    delegate = Person(node).signed_in_as(world.delegate)

    sent = delegate.send(f"{CREDENTIALS}/{ended.api.client.client_id}/revoke", exports="cancel")

    assert (before, sent.status_code) == ([202, 202], 302)
    assert ended.http.get(started).status_code == 401
    assert other.http.get(started).status_code == 404
    assert Job.objects.latest("pk").status == Job.Status.CANCELLED
    actions = AuditEvent.objects.filter(organization=world.harbor).values_list("action", flat=True)
    assert {Action.CLIENT_REVOKED, Action.EXPORT_CANCELLED} <= set(actions)
    assert Organization.objects.get(pk=world.harbor.pk).status == world.harbor.status
