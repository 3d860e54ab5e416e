"""Functions that change a client's IP allow list. Each is one transaction with its audit event."""

from collections.abc import Sequence

from django.db import transaction

from credentials import notices
from credentials.access import addresses, gate
from credentials.actor import Actor
from credentials.models import ADDRESSES_AT_MOST, AllowedAddress, Client
from credentials.trail import audit


class AddressesRefusedError(ValueError):
    """Some IP addresses can't be on an IP allow list; `reasons` says why, by the position of each."""

    def __init__(self, reasons: dict[int, str]) -> None:
        super().__init__(" ".join(reasons.values()))
        self.reasons = reasons


def checked_addresses(given: Sequence[str], *, allows_loopback: bool) -> list[str]:
    """Return 1 to 8 public IP addresses in canonical form. Raises AddressesRefusedError, with a reason for each."""
    reasons: dict[int, str] = {}
    accepted: dict[str, int] = {}
    for place, text in enumerate(given):
        if reason := addresses.problem(text, allows_loopback=allows_loopback):
            reasons[place] = reason
        elif (address := addresses.canonical(text)) in accepted:
            reasons[place] = f"{address} is already on the IP allow list."
        else:
            accepted[address] = place
    if not given:
        reasons[0] = "The IP allow list is empty. Enter at least one IP address: a client can call only from these."
    if len(given) > ADDRESSES_AT_MOST:
        reasons[ADDRESSES_AT_MOST] = f"The IP allow list has too many addresses. Enter at most {ADDRESSES_AT_MOST}."
    if reasons:
        raise AddressesRefusedError(reasons)
    return list(accepted)


@transaction.atomic
def set_addresses(
    client: Client,
    addresses: Sequence[str],
    *,
    by: Actor,
) -> None:
    """Replace the whole IP allow list. Raises AddressesRefusedError; then nothing has changed."""
    allowed = checked_addresses(addresses, allows_loopback=gate.allows_loopback(client.organization))
    Client.objects.locked(client)
    _replace(client, _listed(client), allowed, by=by)


@transaction.atomic
def add_address(client: Client, address: str, *, by: Actor) -> None:
    """Add one IP address to the list. Raises AddressesRefusedError, also if the list already has eight."""
    Client.objects.locked(client)
    before = _listed(client)
    _replace(client, before, _checked_anew(client, [*before, address]), by=by)


def write_addresses(client: Client, allowed: Sequence[str], *, by: Actor) -> None:
    """Put IP addresses into free slots. The database allows eight for each client."""
    taken = set(client.addresses.values_list("slot", flat=True))
    free = (slot for slot in range(1, ADDRESSES_AT_MOST + 1) if slot not in taken)
    AllowedAddress.objects.bulk_create(
        AllowedAddress(client=client, slot=slot, address=address, created_by=by.user)
        for slot, address in zip(free, allowed, strict=False)
    )


def _listed(client: Client) -> list[str]:
    return list(client.addresses.values_list("address", flat=True))


def _checked_anew(client: Client, wanted: Sequence[str]) -> list[str]:
    return checked_addresses(wanted, allows_loopback=gate.allows_loopback(client.organization))


def _replace(
    client: Client,
    before: list[str],
    after: list[str],
    *,
    by: Actor,
) -> None:
    if after == before:
        return
    client.addresses.exclude(address__in=after).delete()
    write_addresses(client, [address for address in after if address not in before], by=by)
    event = audit.record(
        audit.Action.ADDRESSES_CHANGED,
        by,
        organization=client.organization,
        client=client,
        before=before,
        after=after,
    )
    notices.announce(notices.Kind.ADDRESSES_CHANGED, client, event=event, before=before, after=after)
