"""Functions that revoke credentials. They stop working at the next request, on every node.

This module does not know exports. To end a client's running exports with it, call `exports.kickoff.cancel` for them in
the same transaction; see docs/decisions/0011.
"""

import datetime as dt
from typing import Any

from django.db import transaction
from django.utils import timezone

from credentials import notices
from credentials.actor import Actor
from credentials.models import AccessToken, Client, ClientSecret, Organization
from credentials.models.client import ClientSecretQuerySet
from credentials.trail import audit


@transaction.atomic
def revoke_secret(secret: ClientSecret, *, by: Actor) -> bool:
    """Revoke a secret and its tokens. Return False, and change nothing, if it had already ended."""
    client = Client.objects.locked(secret.client)
    live = client.secrets.filter(pk=secret.pk).live()
    before = described(live)
    if not end_secrets(live, timezone.now()):
        return False
    event = audit.record(
        audit.Action.SECRET_REVOKED,
        by,
        organization=client.organization,
        client=client,
        hint=secret.hint,
        before=before,
    )
    notices.announce(notices.Kind.SECRET_REVOKED, client, event=event, hint=secret.hint)
    return True


@transaction.atomic
def revoke_client(client: Client, *, by: Actor) -> bool:
    """Revoke a client with its secrets and tokens. Return False, and change nothing, if it was already revoked."""
    now = timezone.now()
    if not Client.objects.live().filter(pk=client.pk).update(revoked_at=now):
        return False
    client.revoked_at = now
    before = described(client.secrets.live())
    end_secrets(client.secrets.filter(revoked_at=None), now)
    AccessToken.objects.filter(application=client).revoke(now)
    event = audit.record(
        audit.Action.CLIENT_REVOKED,
        by,
        organization=client.organization,
        client=client,
        name=client.name,
        before=before,
    )
    notices.announce(notices.Kind.CLIENT_REVOKED, client, event=event)
    return True


@transaction.atomic
def revoke_everything(organization: Organization, *, by: Actor, reason: str) -> list[Client]:
    """Revoke all clients of an organization with their secrets and tokens. Return those that were live.

    If there are none, nothing changes.
    """
    ended = [
        client
        for client in Client.objects.for_organization(organization).live().select_related("organization").order_by("pk")
        if revoke_client(client, by=by)
    ]
    if ended:
        audit.record(
            audit.Action.ORGANIZATION_REVOKED,
            by,
            organization=organization,
            reason=reason,
            clients=[client.name for client in ended],
        )
    return ended


def end_secrets(secrets: ClientSecretQuerySet, at: dt.datetime) -> int:
    """Revoke secrets and their tokens. Return how many. The caller locks the client and writes the event."""
    ended = list(secrets.values_list("pk", flat=True))
    AccessToken.objects.filter(secret__in=ended).revoke(at)
    return ClientSecret.objects.filter(pk__in=ended).update(revoked_at=at, slot=None)


def described(secrets: ClientSecretQuerySet) -> list[dict[str, Any]]:
    """Return secrets for the audit trail, in the order of their creation."""
    return [
        {"hint": secret.hint, "expires_at": secret.expires_at.replace(microsecond=0)}
        for secret in secrets.order_by("created_at", "pk")
    ]
