"""Functions that create clients and secrets. Each is one transaction with its audit events."""

from collections.abc import Sequence

from django.db import IntegrityError, transaction
from django.utils import timezone

from credentials import lifetimes, notices, secret_text
from credentials.access import gate
from credentials.actor import Actor
from credentials.clients import allow_lists, revocation
from credentials.clients.allow_lists import checked_addresses
from credentials.models import SECRETS_AT_MOST, AuditEvent, Client, ClientSecret, Organization
from credentials.trail import audit


class NameTakenError(ValueError):
    """The organization already has a client with this name."""


class TwoSecretsError(ValueError):
    """The client has two live secrets and can't have a third."""

    def __init__(self, client: Client) -> None:
        live = " and ".join(
            f"…{secret.hint} (until {secret.expires_at:%Y-%m-%d %H:%M} UTC)"
            for secret in client.secrets.live().order_by("created_at")
        )
        super().__init__(f"“{client.name}” already has two secrets: {live}. Revoke one of them first.")


@transaction.atomic
def create_client(
    *,
    organization: Organization,
    name: str,
    addresses: Sequence[str],
    by: Actor,
) -> tuple[Client, str]:
    """Return a new client and its secret, which can't be shown again.

    Raises AddressesRefusedError and NameTakenError.
    """
    allowed = checked_addresses(addresses, allows_loopback=gate.allows_loopback(organization))
    try:
        with transaction.atomic():
            client = Client.objects.create(organization=organization, name=name, created_by=by.user)
    except IntegrityError as error:
        raise NameTakenError(
            f"{organization.name} already has a client named “{name}”. Choose another name."
        ) from error
    allow_lists.write_addresses(client, allowed, by=by)
    event = audit.record(
        audit.Action.CLIENT_CREATED,
        by,
        organization=organization,
        client=client,
        name=name,
        addresses=allowed,
    )
    notices.announce(notices.Kind.CLIENT_CREATED, client, event=event, addresses=allowed)
    secret, _ = _issue(client, by=by)
    return client, secret


@transaction.atomic
def issue_secret(client: Client, *, by: Actor) -> str:
    """Return one more secret for `client`, valid for 90 days. Raises TwoSecretsError and ClientRevokedError."""
    client = Client.objects.locked(client)
    secret, event = _issue(client, by=by)
    notices.announce(notices.Kind.SECRET_CREATED, client, event=event, hint=secret_text.hint(secret))
    return secret


def write_secret(client: Client, *, by: Actor) -> tuple[str, ClientSecret]:
    """Return a new secret in a free slot; only its digest is stored. The caller locks the client and writes the event.

    Raises TwoSecretsError.
    """
    now = timezone.now()
    client.secrets.filter(expires_at__lte=now).update(slot=None)
    taken = set(client.secrets.exclude(slot=None).values_list("slot", flat=True))
    free = [slot for slot in range(1, SECRETS_AT_MOST + 1) if slot not in taken]
    if not free:
        raise TwoSecretsError(client)
    secret = secret_text.new(secret_text.Prefix.CLIENT_SECRET)
    row = ClientSecret.objects.create(
        client=client,
        slot=free[0],
        digest=secret_text.digest(secret),
        hint=secret_text.hint(secret),
        created_at=now,
        created_by=by.user,
        expires_at=now + lifetimes.SECRET,
    )
    return secret, row


def _issue(client: Client, *, by: Actor) -> tuple[str, AuditEvent]:
    before = revocation.described(client.secrets.live())
    secret, row = write_secret(client, by=by)
    event = audit.record(
        audit.Action.SECRET_CREATED,
        by,
        organization=client.organization,
        client=client,
        hint=row.hint,
        before=before,
        after=revocation.described(client.secrets.live()),
    )
    return secret, event
