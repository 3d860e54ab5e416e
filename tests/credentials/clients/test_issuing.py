import threading

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction

from credentials.actor import Actor
from credentials.clients import allow_lists, issuing, revocation
from credentials.models import AllowedAddress, AuditEvent, Client, ClientSecret
from credentials.trail.audit import Action
from tests.world import HOME_ADDRESS, OTHER_ADDRESS

NINE = [f"8.8.4.{last}" for last in range(1, 10)]


def test_a_client_comes_with_its_secret_and_addresses_and_is_written_down(world):
    client, secret = issuing.create_client(
        organization=world.harbor, name="ETL", addresses=[HOME_ADDRESS, "::ffff:9.9.9.9"], by=Actor(user=world.delegate)
    )

    assert secret.startswith("cgs_")
    assert [address.address for address in client.addresses.all()] == [HOME_ADDRESS, OTHER_ADDRESS]
    actions = AuditEvent.objects.for_organization(world.harbor).values_list("action", flat=True)
    assert set(actions) == {Action.CLIENT_CREATED, Action.SECRET_CREATED}


@pytest.mark.parametrize(
    ("addresses", "place"),
    [([], 0), (["10.0.0.1"], 0), ([HOME_ADDRESS, "x"], 1), ([HOME_ADDRESS, "::ffff:8.8.8.8"], 1), (NINE, 8)],
)
def test_refused_addresses_make_no_client(world, addresses, place):
    with pytest.raises(allow_lists.AddressesRefusedError) as refused:
        issuing.create_client(organization=world.harbor, name="ETL", addresses=addresses, by=Actor(user=world.delegate))

    assert list(refused.value.reasons) == [place]
    assert not Client.objects.exists()
    assert not ClientSecret.objects.exists()
    assert not AuditEvent.objects.exists()


def test_a_name_is_used_once_by_an_organization_and_free_again_after_revocation(world):
    first = world.api_client(name="ETL").client

    with pytest.raises(issuing.NameTakenError):
        world.api_client(name="ETL")
    world.api_client(world.mesa, name="ETL")
    revocation.revoke_client(first, by=Actor(user=world.delegate))
    world.api_client(name="ETL")

    assert Client.objects.for_organization(world.harbor).live().count() == 1


def test_changing_addresses_is_written_down_with_before_and_after(world):
    client = world.api_client(addresses=[HOME_ADDRESS]).client

    allow_lists.set_addresses(client, [OTHER_ADDRESS, HOME_ADDRESS], by=Actor(user=world.delegate))

    event = AuditEvent.objects.get(action=Action.ADDRESSES_CHANGED)
    assert event.detail == {"before": [HOME_ADDRESS], "after": [OTHER_ADDRESS, HOME_ADDRESS]}
    assert event.user == world.delegate


def test_refused_addresses_change_nothing(world):
    client = world.api_client(addresses=[HOME_ADDRESS]).client

    with pytest.raises(allow_lists.AddressesRefusedError):
        allow_lists.set_addresses(client, [OTHER_ADDRESS, "10.0.0.1"], by=Actor(user=world.delegate))

    assert [address.address for address in client.addresses.all()] == [HOME_ADDRESS]
    assert not AuditEvent.objects.filter(action=Action.ADDRESSES_CHANGED).exists()


def test_the_database_itself_holds_no_ninth_address(world):
    client = world.api_client(addresses=NINE[:8]).client

    with pytest.raises(IntegrityError), transaction.atomic():
        AllowedAddress.objects.create(client=client, slot=9, address=NINE[8])
    with pytest.raises(IntegrityError), transaction.atomic():
        AllowedAddress.objects.create(client=client, slot=8, address=NINE[8])


@pytest.mark.django_db(transaction=True)
def test_people_who_edit_the_list_at_once_come_one_after_the_other(world):
    client = world.api_client(addresses=[HOME_ADDRESS]).client
    lists = [[f"8.8.{third}.{last}" for last in range(1, 9)] for third in range(1, 9)]

    def edit(addresses: list[str]) -> None:
        try:
            allow_lists.set_addresses(client, addresses, by=Actor())
        finally:
            connection.close()

    threads = [threading.Thread(target=edit, args=[addresses]) for addresses in lists]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(address.address for address in client.addresses.all()) in [sorted(each) for each in lists]
    assert AuditEvent.objects.filter(action=Action.ADDRESSES_CHANGED).count() == len(lists)


def test_revoking_twice_is_written_down_once(world):
    client = world.api_client().client

    revocation.revoke_client(client, by=Actor(user=world.delegate))
    revocation.revoke_client(client, by=Actor(user=world.delegate))

    assert AuditEvent.objects.filter(action=Action.CLIENT_REVOKED).count() == 1
    assert not client.secrets.live().exists()


@pytest.mark.parametrize(
    "change", ["UPDATE credentials_auditevent SET action = 'x'", "DELETE FROM credentials_auditevent"]
)
def test_the_audit_trail_cannot_be_changed_even_by_sql(world, change):
    world.api_client()

    with pytest.raises(DatabaseError, match="only added"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(change)

    assert AuditEvent.objects.exists()
