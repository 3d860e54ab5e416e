"""GET /auth/connection: from where we see a caller, and no more than that to a stranger."""

import pytest
from django.test import Client as Browser

from credentials.actor import Actor
from credentials.clients import revocation
from tests.world import HOME_ADDRESS, OTHER_ADDRESS, sign_in

PATH = "/auth/connection"


def browser_of(person, address: str = HOME_ADDRESS) -> Browser:
    return sign_in(Browser(REMOTE_ADDR=address), person)


def test_a_stranger_learns_the_address_that_we_see_and_nothing_else(world):
    world.api_client()

    answer = Browser(REMOTE_ADDR=HOME_ADDRESS).get(PATH)

    assert answer.status_code == 200
    assert (answer["Content-Type"], answer["Cache-Control"]) == ("application/json", "no-store")
    facts = answer.json()
    assert set(facts) == {"address", "can_be_listed", "problem", "server_time"}
    assert (facts["address"], facts["can_be_listed"], facts["problem"]) == (HOME_ADDRESS, True, None)


def test_of_an_address_that_cannot_be_listed_the_reason_is_told(db):
    facts = Browser(REMOTE_ADDR="10.0.0.1").get(PATH).json()

    assert (facts["can_be_listed"], "is a private IP address" in facts["problem"]) == (False, True)


def test_what_a_caller_claims_about_its_address_is_not_believed(db):
    facts = Browser(REMOTE_ADDR=HOME_ADDRESS, headers={"X-Forwarded-For": OTHER_ADDRESS}).get(PATH).json()

    assert facts["address"] == HOME_ADDRESS


def test_a_delegate_learns_which_clients_may_call_from_there(world):
    ours = world.api_client(name="ETL").client
    world.api_client(name="Vendor", addresses=[OTHER_ADDRESS])
    revocation.revoke_client(world.api_client(name="Gone").client, by=Actor())
    world.api_client(world.mesa, name="Theirs")

    clients = browser_of(world.delegate).get(PATH).json()["clients"]

    assert [(client["name"], client["is_listed"]) for client in clients] == [("ETL", True), ("Vendor", False)]
    assert clients[0] == {
        "organization": "A9994", "client_id": ours.client_id, "name": "ETL", "state": "active", "is_listed": True,
    }  # fmt: skip


def test_a_member_who_does_not_manage_credentials_learns_of_no_client(world):
    world.api_client()

    assert browser_of(world.colleague).get(PATH).json()["clients"] == []


@pytest.mark.parametrize("count", [1, 5])
def test_it_costs_the_same_for_many_clients(world, django_assert_max_num_queries, count):
    for number in range(count):
        world.api_client(name=f"Client {number}")
    browser = browser_of(world.delegate)

    with django_assert_max_num_queries(8):
        assert len(browser.get(PATH).json()["clients"]) == count


def test_a_person_cannot_ask_without_end_and_does_not_pay_for_others_at_the_address(world, settings):
    settings.LIMIT_API_CALLS_PER_CLIENT = settings.LIMIT_API_CALLS_PER_ADDRESS = 2
    browsers = [browser_of(person) for person in (world.delegate, world.colleague)]

    answers = [browser.get(PATH).status_code for browser in browsers for _ in range(3)]

    assert answers == [200, 200, 429] * 2


def test_it_cannot_be_asked_without_end(settings, db):
    settings.LIMIT_API_CALLS_PER_ADDRESS = 1
    browser = Browser(REMOTE_ADDR=HOME_ADDRESS)

    assert [browser.get(PATH).status_code for _ in range(2)] == [200, 429]
