"""What is written down of calls that are refused: all of them, in few rows."""

import datetime as dt

import pytest
from django.utils import timezone

from credentials import tasks
from credentials.models import AuditEvent, Client, RefusedCalls
from credentials.trail import refusals
from credentials.trail.audit import Action
from tests.credentials.at_once import CALLERS, at_once
from tests.world import HOME_ADDRESS, OTHER_ADDRESS, ApiClient

WRONG = "cgs_" + "0" * 64
JOB = "/api/v2/jobs/1"


def refused_tokens() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=Action.TOKEN_REFUSED).order_by("id"))


def let_the_minute_pass() -> None:
    RefusedCalls.objects.update(minute=timezone.now() - dt.timedelta(minutes=3))


@pytest.fixture
def minute(monkeypatch):
    """A minute that does not end while the test runs."""
    now = timezone.now()
    monkeypatch.setattr(refusals.timezone, "now", lambda: now)


@pytest.fixture
def api(world, minute, settings) -> ApiClient:
    settings.LIMIT_FAILURES_PER_CLIENT_AND_ADDRESS = settings.LIMIT_FAILURES_PER_ADDRESS = 0
    return world.api_client()


def test_the_organization_sees_at_once_that_someone_tried_a_wrong_secret(api, world):
    ApiClient(api.client, WRONG, address=OTHER_ADDRESS).ask_for_token()

    (event,) = refused_tokens()
    assert (event.organization, event.client, event.outcome) == (world.harbor, api.client, AuditEvent.Outcome.DENIED)
    assert (event.address, event.detail) == (OTHER_ADDRESS, {"reason": "invalid_client"})
    assert event.request_id


def test_a_thousand_tries_become_two_events_and_none_is_lost(api):
    for _ in range(30):
        api.ask_for_token(secret=WRONG)
    assert len(refused_tokens()) == 1

    let_the_minute_pass()
    tasks.write_down_refusals()
    tasks.write_down_refusals()

    first, rest = refused_tokens()
    assert (rest.client, rest.address, rest.detail["more"]) == (first.client, HOME_ADDRESS, 29)
    assert not RefusedCalls.objects.exists()


def test_a_single_try_is_not_written_down_twice(api):
    api.ask_for_token(secret=WRONG)
    let_the_minute_pass()

    tasks.write_down_refusals()

    assert len(refused_tokens()) == 1
    assert not RefusedCalls.objects.exists()


def test_a_minute_that_is_not_over_is_left_alone(api):
    for _ in range(3):
        api.ask_for_token(secret=WRONG)

    tasks.write_down_refusals()

    assert len(refused_tokens()) == 1
    assert RefusedCalls.objects.get().count == 3


def test_reasons_and_addresses_are_told_apart(api):
    elsewhere = ApiClient(api.client, api.secret, address=OTHER_ADDRESS)

    for _ in range(2):
        api.ask_for_token(secret=WRONG)
        elsewhere.ask_for_token(secret=WRONG)
        elsewhere.ask_for_token()

    told = {(event.detail["reason"], event.address) for event in refused_tokens()}
    assert told == {
        ("invalid_client", HOME_ADDRESS), ("invalid_client", OTHER_ADDRESS), ("address_not_allowed", OTHER_ADDRESS),
    }  # fmt: skip
    assert len(refused_tokens()) == 3


def test_an_attacker_with_many_addresses_makes_few_rows(api):
    for last in range(1, 41):
        ApiClient(api.client, WRONG, address=f"2606:4700::{last}").ask_for_token()

    assert RefusedCalls.objects.count() == len(refused_tokens()) == refusals.ADDRESSES_A_MINUTE + 1
    let_the_minute_pass()
    tasks.write_down_refusals()
    assert refused_tokens()[-1].detail["more"] == 40 - refusals.ADDRESSES_A_MINUTE - 1
    assert refused_tokens()[-1].address is None


def test_an_unknown_client_is_nobodys_event_and_its_id_is_not_kept(api, world):
    api.client.client_id = "11111111-0000-0000-0000-000000000000"

    for _ in range(3):
        api.ask_for_token()

    (event,) = refused_tokens()
    assert (event.organization, event.client, event.detail) == (None, None, {"reason": "invalid_client"})
    assert RefusedCalls.objects.get().count == 3
    assert not AuditEvent.objects.for_organization(world.harbor).filter(action=Action.TOKEN_REFUSED).exists()


def test_the_client_tells_how_often_it_was_refused_and_when_last(api):
    api.ask_for_token(secret=WRONG)
    ApiClient(api.client, WRONG, address=OTHER_ADDRESS).ask_for_token()
    api.ask_for_token()

    client = Client.objects.get()
    assert (client.failed_attempts, client.last_failed_address) == (2, OTHER_ADDRESS)
    assert client.last_failed_at is not None
    assert client.last_used_address == HOME_ADDRESS


def test_refused_requests_to_the_api_are_counted_in_the_same_way(api):
    api.sign_in()
    thief = ApiClient(api.client, api.secret, address=OTHER_ADDRESS)
    thief.token = api.token

    for _ in range(5):
        thief.get(JOB)

    assert AuditEvent.objects.get(action=Action.REQUEST_REFUSED).detail["path"] == JOB
    assert RefusedCalls.objects.get().count == 5
    assert Client.objects.get().failed_attempts == 5


@pytest.mark.django_db(transaction=True)
def test_tries_at_once_are_all_counted(api):
    answers = at_once(lambda _number: api.ask_for_token(secret=WRONG).status_code)

    assert set(answers) == {401}
    assert len(refused_tokens()) == 1
    assert RefusedCalls.objects.get().count == CALLERS
    assert Client.objects.get().failed_attempts == CALLERS


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_write_the_rest_down_once(api):
    for _ in range(3):
        api.ask_for_token(secret=WRONG)
    let_the_minute_pass()

    at_once(lambda _number: tasks.write_down_refusals())

    assert [event.detail.get("more") for event in refused_tokens()] == [None, 2]
