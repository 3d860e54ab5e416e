"""The verbs that give and take credentials. Each is one transaction with its audit events."""

import datetime as dt
import hashlib
import secrets
from collections.abc import Sequence

from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone

from credentials import addresses, audit, gate
from credentials.models import (
    ADDRESSES_AT_MOST,
    SECRET_LIFETIME,
    AllowedAddress,
    Client,
    ClientSecret,
    Organization,
    User,
)

# Secret scanners know our secrets and tokens by these; portal/redaction.py does, too.
SECRET_PREFIX = "cgs_"  # noqa: S105  # a prefix, not a secret
SECRET_BYTES = 32


class AddressesRefusedError(ValueError):
    """Some of the addresses may not stand on an allow list; `reasons` says why, by the place of each."""

    def __init__(self, reasons: dict[int, str]) -> None:
        super().__init__(" ".join(reasons.values()))
        self.reasons = reasons


class NameTakenError(ValueError):
    """The organization has a client of this name."""


def secret_digest(secret: str) -> bytes:
    """What is kept of a secret: its SHA-256, 32 bytes. It has 256 random bits, so there is nothing to guess."""
    return hashlib.sha256(secret.encode()).digest()


def checked_addresses(given: Sequence[str], *, allows_loopback: bool) -> list[str]:
    """The canonical form of 1 to 8 public addresses. Raises AddressesRefusedError, with a reason for each bad one."""
    reasons: dict[int, str] = {}
    accepted: dict[str, int] = {}
    for place, text in enumerate(given):
        if reason := addresses.problem(text, allows_loopback=allows_loopback):
            reasons[place] = reason
        elif (address := addresses.canonical(text)) in accepted:
            reasons[place] = f"{address} is on the list already."
        else:
            accepted[address] = place
    if not given:
        reasons[0] = "Give at least one address: a client may call from listed addresses only."
    if len(given) > ADDRESSES_AT_MOST:
        reasons[ADDRESSES_AT_MOST] = f"A client may have {ADDRESSES_AT_MOST} addresses at most."
    if reasons:
        raise AddressesRefusedError(reasons)
    return list(accepted)


@transaction.atomic
def create_client(
    *,
    organization: Organization,
    name: str,
    addresses: Sequence[str],
    by: User | None,
    request: HttpRequest | None = None,
) -> tuple[Client, str]:
    """A new client and its secret, which nobody can be told again.

    Raises AddressesRefusedError and NameTakenError.
    """
    allowed = checked_addresses(addresses, allows_loopback=gate.allows_loopback(organization))
    try:
        with transaction.atomic():
            client = Client.objects.create(organization=organization, name=name, created_by=by)
    except IntegrityError as error:
        raise NameTakenError(f"{organization.name} has a client named “{name}” already.") from error
    _write_addresses(client, allowed, by=by)
    audit.record(
        audit.Action.CLIENT_CREATED,
        organization=organization,
        user=by,
        client=client,
        request=request,
        name=name,
        addresses=allowed,
    )
    return client, issue_secret(client, by=by, request=request)


@transaction.atomic
def issue_secret(client: Client, *, by: User | None, request: HttpRequest | None = None) -> str:
    """A new secret for `client`, valid for 90 days. Only its digest is kept."""
    secret = SECRET_PREFIX + secrets.token_hex(SECRET_BYTES)
    now = timezone.now()
    row = ClientSecret.objects.create(
        client=client,
        digest=secret_digest(secret),
        hint=secret[-4:],
        created_at=now,
        created_by=by,
        expires_at=now + SECRET_LIFETIME,
    )
    audit.record(
        audit.Action.SECRET_CREATED,
        organization=client.organization,
        user=by,
        client=client,
        request=request,
        hint=row.hint,
        expires_at=_text(row.expires_at),
    )
    return secret


@transaction.atomic
def set_addresses(
    client: Client, addresses: Sequence[str], *, by: User | None, request: HttpRequest | None = None
) -> None:
    """Replace the whole list of allowed addresses. Raises AddressesRefusedError; then nothing has changed."""
    allowed = checked_addresses(addresses, allows_loopback=gate.allows_loopback(client.organization))
    # Two people who edit the list at once come one after the other.
    Client.objects.select_for_update().get(pk=client.pk)
    before = list(client.addresses.values_list("address", flat=True))
    if allowed == before:
        return
    client.addresses.exclude(address__in=allowed).delete()
    _write_addresses(client, [address for address in allowed if address not in before], by=by)
    audit.record(
        audit.Action.ADDRESSES_CHANGED,
        organization=client.organization,
        user=by,
        client=client,
        request=request,
        before=before,
        after=allowed,
    )


@transaction.atomic
def revoke_client(client: Client, *, by: User | None, request: HttpRequest | None = None) -> None:
    """End a client: its secrets and tokens open nothing from the next request on. Revoking twice changes nothing."""
    now = timezone.now()
    if not Client.objects.live().filter(pk=client.pk).update(revoked_at=now):
        return
    client.revoked_at = now
    client.secrets.filter(revoked_at=None).update(revoked_at=now)
    client.access_tokens.all().delete()
    audit.record(
        audit.Action.CLIENT_REVOKED,
        organization=client.organization,
        user=by,
        client=client,
        request=request,
        name=client.name,
    )


def _write_addresses(client: Client, allowed: Sequence[str], *, by: User | None) -> None:
    """Put addresses into free slots; the database holds to eight a client, whoever asks."""
    taken = set(client.addresses.values_list("slot", flat=True))
    free = (slot for slot in range(1, ADDRESSES_AT_MOST + 1) if slot not in taken)
    AllowedAddress.objects.bulk_create(
        AllowedAddress(client=client, slot=slot, address=address, created_by=by)
        for slot, address in zip(free, allowed, strict=False)
    )


def _text(moment: dt.datetime) -> str:
    return moment.isoformat(timespec="seconds")
