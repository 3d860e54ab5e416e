import datetime as dt

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from credentials import tasks
from credentials.access import limits
from credentials.models import AuditEvent, CallCount, Client
from credentials.trail.audit import Action
from exports.models import Job
from tests.credentials.at_once import CALLERS, at_once
from tests.exports.store import fill
from tests.world import HOME_ADDRESS, OTHER_ADDRESS, ApiClient

WRONG = "cgs_" + "0" * 64
JOB, METADATA = "/api/v2/jobs/1", "/api/v2/metadata"
OF_THIS_PROCESS = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
AWAY = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "unix:///nowhere/valkey"}}


class Clock:
    """The limits' time, which passes when it is told to."""

    def __init__(self, now: float) -> None:
        self.now = now

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock(1_800_000_000.25)
    monkeypatch.setattr(limits, "time", clock)
    return clock


@pytest.fixture(params=["Valkey", "PostgreSQL"])
def _store(request, settings):
    if request.param == "PostgreSQL":
        settings.CACHES = OF_THIS_PROCESS


@pytest.fixture
def api(world) -> ApiClient:
    return world.api_client()


def events(action: Action) -> list[str]:
    return list(AuditEvent.objects.filter(action=action).order_by("id").values_list("detail__reason", flat=True))


@pytest.mark.usefixtures("_store")
def test_after_too_many_tokens_a_client_is_told_when_to_come_again_and_then_gets_one(api, clock, settings):
    settings.LIMIT_TOKEN_CALLS_PER_CLIENT = 2
    assert [api.ask_for_token().status_code for _ in range(2)] == [200, 200]

    refused = api.ask_for_token()

    assert refused.status_code == 429
    assert refused.json()["error"] == "slow_down"
    assert "A9994 exceeded the rate limit for /auth/token" in refused.json()["error_description"]
    wait = int(refused["Retry-After"])
    assert 1 <= wait <= 300
    clock.now += wait - 1
    assert (api.ask_for_token().status_code, api.ask_for_token()["Retry-After"]) == (429, "1")
    clock.now += 1
    assert api.ask_for_token().status_code == 200


@pytest.mark.usefixtures("_store")
def test_after_too_many_calls_of_the_api_a_client_is_told_when_to_come_again(api, clock, settings):
    settings.LIMIT_API_CALLS_PER_CLIENT = 2
    api.sign_in()
    assert [api.get(JOB).status_code for _ in range(2)] == [404, 404]

    refused = api.get(JOB)

    assert refused.status_code == 429
    assert refused["Content-Type"] == "application/fhir+json"
    (issue,) = refused.json()["issue"]
    wait = int(refused["Retry-After"])
    assert (issue["severity"], issue["code"]) == ("error", "throttled")
    assert f"Try again in {wait} seconds" in issue["diagnostics"]
    clock.now += wait - 1
    assert (api.get(JOB).status_code, api.get(JOB)["Retry-After"]) == (429, "1")
    clock.now += 1
    assert api.get(JOB).status_code == 404


def test_one_client_does_not_pay_for_another(api, world, settings):
    settings.LIMIT_API_CALLS_PER_CLIENT = settings.LIMIT_TOKEN_CALLS_PER_CLIENT = 1
    other = world.api_client(name="Vendor").sign_in()
    api.sign_in()

    assert [api.get(JOB).status_code for _ in range(2)] == [404, 429]
    assert other.get(JOB).status_code == 404


@pytest.mark.usefixtures("_store")
def test_clients_that_prove_themselves_do_not_pay_for_others_at_their_address(api, world, settings):
    settings.LIMIT_API_CALLS_PER_ADDRESS = settings.LIMIT_FAILURES_PER_ADDRESS = 1
    clients = [world.api_client(name=f"Client {number}").sign_in() for number in range(3)]
    strangers = [Browser(REMOTE_ADDR=HOME_ADDRESS).get(METADATA).status_code for _ in range(2)]
    guesses = [api.ask_for_token(secret=WRONG).status_code for _ in range(2)]

    answers = [client.get(JOB).status_code for client in clients for _ in range(2)]

    assert (strangers, guesses) == ([200, 429], [401, 429])
    assert answers == [404] * 6
    assert [client.ask_for_token().status_code for client in clients] == [200] * 3


@pytest.mark.parametrize(("path", "passes"), [(METADATA, 200), (JOB, 401)])
def test_calls_without_a_token_are_counted_by_address(settings, db, path, passes):
    settings.LIMIT_API_CALLS_PER_ADDRESS = 1

    def ask(address: str) -> int:
        return Browser(REMOTE_ADDR=address).get(path).status_code

    assert [ask("2606:4700::1"), ask("2606:4700::2"), ask("2606:4700:0:1::1")] == [passes, 429, passes]


def test_a_stolen_token_counts_at_the_address_where_it_is_used(api, settings):
    settings.LIMIT_FAILURES_PER_ADDRESS = 2
    thief = ApiClient(api.client, api.secret, address=OTHER_ADDRESS)
    thief.token = api.sign_in().token

    assert [thief.get(JOB).status_code for _ in range(3)] == [403, 403, 429]

    assert api.get(JOB).status_code == 404
    other = ApiClient(Client(client_id="somebody"), WRONG, address=OTHER_ADDRESS)
    assert other.ask_for_token().status_code == 429


def test_a_scope_that_does_not_suffice_says_nothing_against_the_address(api, world, settings):
    settings.LIMIT_FAILURES_PER_ADDRESS = 1
    world.roster(world.harbor, world.beneficiaries(1))
    api.sign_in()
    api.client.access_tokens.update(scope="system/Patient.rs")

    refused = [api.kick_off("/api/v2/Group/all/$export?_type=Coverage").status_code for _ in range(3)]

    assert refused == [403] * 3
    assert api.ask_for_token(secret=WRONG).status_code == 401


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("_store")
def test_servers_that_count_at_the_same_moment_let_exactly_as_many_through(settings, clock):
    budget = limits.Budget("test", at_most=7)

    answers = at_once(lambda _number: limits.spend([budget]))

    assert answers.count(None) == 7
    assert len([answer for answer in answers if isinstance(answer, limits.Excess)]) == CALLERS - 7
    assert [answer.is_first for answer in answers if answer].count(True) == 1


# --- Who proves nothing ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_store")
def test_whoever_knows_a_client_id_cannot_lock_the_client_out(api, settings):
    settings.LIMIT_FAILURES_PER_CLIENT_AND_ADDRESS = 5
    settings.LIMIT_FAILURES_PER_ADDRESS = 8
    outsider = ApiClient(api.client, WRONG, address=OTHER_ADDRESS)

    answers = [outsider.ask_for_token().status_code for _ in range(20)]

    assert answers == [401] * 5 + [429] * 15
    assert api.ask_for_token().status_code == 200
    assert api.sign_in().get(JOB).status_code == 404


def test_not_even_from_the_clients_own_address(api, settings):
    settings.LIMIT_FAILURES_PER_ADDRESS = 3

    assert [api.ask_for_token(secret=WRONG).status_code for _ in range(5)] == [401, 401, 401, 429, 429]

    assert api.ask_for_token().status_code == 200


def test_failures_from_one_address_do_not_count_at_another(api, settings):
    settings.LIMIT_FAILURES_PER_CLIENT_AND_ADDRESS = 1
    outsider = ApiClient(api.client, WRONG, address=OTHER_ADDRESS)

    assert [outsider.ask_for_token().status_code for _ in range(2)] == [401, 429]

    assert api.ask_for_token(secret=WRONG).status_code == 401


def test_wrong_secrets_do_not_count_against_the_right_one(api, settings):
    settings.LIMIT_TOKEN_CALLS_PER_CLIENT = 1
    for _ in range(5):
        api.ask_for_token(secret=WRONG)

    assert [api.ask_for_token().status_code for _ in range(2)] == [200, 429]


def test_too_many_wrong_secrets_get_the_true_rest_of_the_window(api, clock, settings):
    settings.LIMIT_FAILURES_PER_CLIENT_AND_ADDRESS = 1
    api.ask_for_token(secret=WRONG)

    refused = api.ask_for_token(secret=WRONG)

    assert (refused.status_code, refused.json()["error"]) == (429, "slow_down")
    clock.now += int(refused["Retry-After"]) - 1
    assert api.ask_for_token(secret=WRONG)["Retry-After"] == "1"
    clock.now += 1
    assert api.ask_for_token(secret=WRONG).status_code == 401


def test_guesses_across_clients_are_counted_by_address(api, world, settings):
    settings.LIMIT_FAILURES_PER_ADDRESS = 3
    guesses = [ApiClient(Client(client_id=f"{number:08}"), WRONG, address=OTHER_ADDRESS) for number in range(5)]

    assert [guess.ask_for_token().status_code for guess in guesses] == [401, 401, 401, 429, 429]


def test_guessed_bearer_tokens_are_counted_by_address(api, settings):
    settings.LIMIT_FAILURES_PER_ADDRESS = 2
    api.sign_in()
    thief = ApiClient(api.client, api.secret, address=OTHER_ADDRESS)
    thief.token = "cgt_" + "0" * 64

    answers = [thief.get(JOB) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [401, 401, 429, 429]
    assert answers[-1].json()["resourceType"] == "OperationOutcome"
    assert api.get(JOB).status_code == 404


def test_a_polling_client_whose_token_has_expired_is_not_taken_for_a_thief(api, settings):
    settings.LIMIT_FAILURES_PER_ADDRESS = 2
    api.sign_in()
    api.client.access_tokens.update(expires=timezone.now())

    assert [api.get(JOB).status_code for _ in range(5)] == [401] * 5
    assert not events(Action.REQUEST_REFUSED)


def test_a_call_too_many_is_written_down_once_and_the_rest_not_at_all(api, settings):
    settings.LIMIT_FAILURES_PER_CLIENT_AND_ADDRESS = 2
    for _ in range(10):
        api.ask_for_token(secret=WRONG)

    assert events(Action.TOKEN_REFUSED) == ["invalid_client", "too_many_calls"]
    assert Client.objects.get().failed_attempts == 3


def test_a_client_that_calls_too_often_is_written_down_once(api, settings):
    settings.LIMIT_TOKEN_CALLS_PER_CLIENT = 2

    for _ in range(5):
        api.ask_for_token()

    assert events(Action.TOKEN_REFUSED) == ["too_many_calls"]
    assert AuditEvent.objects.filter(action=Action.TOKEN_ISSUED).count() == 2


# --- Settings and stores --------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_store")
def test_a_limit_of_zero_is_none(api, settings):
    settings.LIMIT_TOKEN_CALLS_PER_CLIENT = 0

    assert {api.ask_for_token().status_code for _ in range(5)} == {200}


def test_while_the_cache_is_away_postgresql_counts(api, settings):
    settings.CACHES = AWAY
    settings.LIMIT_TOKEN_CALLS_PER_CLIENT = 1

    assert [api.ask_for_token().status_code for _ in range(2)] == [200, 429]


def test_counts_of_windows_that_are_over_are_forgotten(api, settings):
    settings.CACHES = OF_THIS_PROCESS
    api.ask_for_token()
    assert CallCount.objects.count() == 1

    CallCount.objects.update(ends_at=timezone.now() - dt.timedelta(seconds=1))
    tasks.forget_ended_tokens()

    assert not CallCount.objects.exists()


@pytest.mark.parametrize("status", [Job.Status.PENDING, Job.Status.IN_PROGRESS])
@pytest.mark.parametrize(("caches", "queries"), [(None, 3), (OF_THIS_PROCESS, 4)])
def test_asking_for_the_status_of_a_job_costs_three_queries_and_one_more_without_a_shared_cache(
    api, world, settings, status, *, caches, queries
):
    if caches:
        settings.CACHES = caches
    world.roster(world.harbor, world.beneficiaries(1))
    fill(world)
    job_url = api.sign_in().kick_off()["Content-Location"]
    Job.objects.update(status=status)

    with CaptureQueriesContext(connection) as captured:
        response = api.get(job_url)

    assert response.status_code == 202
    assert len(captured) <= queries, [query["sql"] for query in captured.captured_queries]


def test_an_address_is_counted_with_its_network():
    assert limits.network(HOME_ADDRESS) == HOME_ADDRESS
    assert limits.network("2606:4700:1:2:3:4:5:6") == "2606:4700:1:2::/64"
