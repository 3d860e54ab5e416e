"""The test of a connection: from where a caller is seen, and which clients may call from there."""

from collections.abc import Sequence
from dataclasses import dataclass

from credentials.access import addresses
from credentials.models import Client, Membership, User


@dataclass(frozen=True, slots=True)
class Connection:
    """What can be told to a caller. Without a person it is the address alone."""

    address: str
    problem: str | None  # why the address could not stand on an allow list
    clients: Sequence[tuple[Client, bool]]  # those whose credentials the person manages, and whether they list it


def seen(address: str, person: User | None = None) -> Connection:
    """How `address` (canonical) is seen, and the live clients of the person's organizations."""
    if person is None:
        return Connection(address, addresses.problem(address), [])
    managed = [
        membership.organization for membership in Membership.objects.of_user(person) if membership.manages_credentials
    ]
    clients = (
        Client.objects.live()
        .filter(organization__in=managed)
        .select_related("organization")
        .prefetch_related("addresses", "secrets", "keys", "key_sets")
        .order_by("organization__entity_id", "name", "id")
    )
    listed = [(client, any(each.address == address for each in client.addresses.all())) for client in clients]
    return Connection(address, addresses.problem(address), listed)
