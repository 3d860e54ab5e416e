import pytest

from credentials.actor import Actor
from credentials.clients import allow_lists
from credentials.clients.allow_lists import AddressesRefusedError
from credentials.models import AuditEvent, Client
from credentials.trail.audit import Action
from tests.credentials.at_once import CALLERS, at_once
from tests.world import HOME_ADDRESS, OTHER_ADDRESS, ApiClient

EIGHT = [f"8.8.4.{last}" for last in range(1, 9)]


def listed(client: Client) -> list[str]:
    return [address.address for address in client.addresses.all()]


def changes() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=Action.ADDRESSES_CHANGED).order_by("id"))


def test_an_added_address_counts_at_the_next_request(world):
    api = world.api_client(addresses=[HOME_ADDRESS])
    vendor = ApiClient(api.client, api.secret, address=OTHER_ADDRESS)
    assert vendor.ask_for_token().status_code == 403

    allow_lists.add_address(api.client, f"::ffff:{OTHER_ADDRESS}", by=Actor(user=world.delegate))

    assert vendor.ask_for_token().status_code == 200
    (event,) = changes()
    assert (event.user, event.detail) == (
        world.delegate,
        {"before": [HOME_ADDRESS], "after": [HOME_ADDRESS, OTHER_ADDRESS]},
    )


def test_a_removed_address_stops_at_the_next_request(world):
    api = world.api_client(addresses=[HOME_ADDRESS, OTHER_ADDRESS])
    vendor = ApiClient(api.client, api.secret, address=OTHER_ADDRESS)

    allow_lists.set_addresses(api.client, [HOME_ADDRESS], by=Actor(user=world.delegate))

    assert vendor.ask_for_token().status_code == 403
    assert len(changes()) == 1


def test_the_same_list_again_changes_nothing(world):
    client = world.api_client(addresses=[HOME_ADDRESS]).client

    allow_lists.set_addresses(client, [HOME_ADDRESS], by=Actor(user=world.delegate))

    assert listed(client) == [HOME_ADDRESS]
    assert not changes()


def test_the_last_address_stays(world):
    client = world.api_client(addresses=[HOME_ADDRESS]).client

    with pytest.raises(AddressesRefusedError, match="at least one IP address"):
        allow_lists.set_addresses(client, [], by=Actor(user=world.delegate))

    assert listed(client) == [HOME_ADDRESS]


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (HOME_ADDRESS, "already on the IP allow list"),
        ("::FFFF:8.8.8.8", "already on the IP allow list"),
        ("8.8.8.0/24", "is a range"),
        ("192.168.0.1", "is a private IP address"),
        ("gate.example", "is not an IP address"),
    ],
)
def test_an_address_that_may_not_be_listed_is_refused_with_the_reason(world, address, reason):
    client = world.api_client(addresses=[HOME_ADDRESS]).client

    with pytest.raises(AddressesRefusedError, match=reason):
        allow_lists.add_address(client, address, by=Actor(user=world.delegate))

    assert listed(client) == [HOME_ADDRESS]
    assert not changes()


def test_a_ninth_address_is_refused(world):
    client = world.api_client(addresses=EIGHT).client

    with pytest.raises(AddressesRefusedError, match="at most 8"):
        allow_lists.add_address(client, HOME_ADDRESS, by=Actor(user=world.delegate))

    assert listed(client) == EIGHT


@pytest.mark.django_db(transaction=True)
def test_many_additions_at_once_end_with_eight_addresses_and_the_losers_know_why(world):
    client = world.api_client(addresses=[HOME_ADDRESS]).client

    answers = at_once(lambda number: allow_lists.add_address(client, f"8.8.4.{number + 1}", by=Actor()))

    refused = [answer for answer in answers if answer is not None]
    assert len(refused) == CALLERS - 7
    assert {type(answer) for answer in refused} == {AddressesRefusedError}
    assert {str(answer) for answer in refused} == {"The IP allow list has too many addresses. Enter at most 8."}
    assert len(listed(client)) == 8
    assert len(changes()) == 7
    assert changes()[-1].detail["after"] == listed(client)


@pytest.mark.django_db(transaction=True)
def test_the_same_address_added_many_times_at_once_stands_there_once(world):
    client = world.api_client(addresses=[HOME_ADDRESS]).client

    answers = at_once(lambda _number: allow_lists.add_address(client, OTHER_ADDRESS, by=Actor()))

    assert answers.count(None) == 1
    assert listed(client) == [HOME_ADDRESS, OTHER_ADDRESS]
