"""The connection test: which IP address a call comes from, and which clients can call from it."""

from collections.abc import Sequence
from dataclasses import dataclass

from credentials.access import addresses
from credentials.models import Client, Membership, User


@dataclass(frozen=True, slots=True)
class Connection:
    """What the connection test returns. Without a user, only the IP address."""

    address: str
    problem: str | None  # why the IP address can't be on an IP allow list
    clients: Sequence[tuple[Client, bool]]  # clients that the user manages, and whether each one lists the IP address


def seen(address: str, person: User | None = None) -> Connection:
    """Return the result for `address` (canonical), with the live clients of the user's organizations."""
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
