"""Decides which user gets which message. Rows are written in the transaction of the change, and sent after it.

Everyone who manages an organization's credentials gets each message once. That is a constraint of the database, so it
holds however often a task runs and however many workers there are. `portal/mail/emails.py` has the words.
"""

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from credentials import lifetimes, outbox
from credentials.access import gate
from credentials.isolation import isolated
from credentials.models import (
    AuditEvent,
    Client,
    ClientSecret,
    Membership,
    Notice,
    Organization,
    User,
)

Kind = Notice.Kind


def announce(kind: Notice.Kind, client: Client, *, event: AuditEvent, **facts: Any) -> None:
    """Tell the organization's delegates about a change to a client. Call it beside `audit.record`, with its event."""
    _write(kind, client, subject=f"event:{event.pk}", facts={**_told(event), **facts})


def announce_member(kind: Notice.Kind, membership: Membership, *, event: AuditEvent) -> None:
    """Tell the other delegates who joined or was removed, and tell the user who was removed."""
    person, organization = membership.user, membership.organization
    facts = {**_told(event), "member": person.name or person.email, "email": person.email}
    others = _delegates(organization).exclude(pk=person.pk)
    due = [(kind, other) for other in others]
    if kind == Kind.MEMBER_REMOVED and person.is_active:
        due.append((Kind.MEMBERSHIP_ENDED, person))
    Notice.objects.bulk_create(
        [
            Notice(kind=each, subject=f"event:{event.pk}", organization=organization, user=user, facts=facts)
            for each, user in due
        ],
        ignore_conflicts=True,
    )


def announce_roster(kind: Notice.Kind, *, event: AuditEvent, facts: dict[str, Any]) -> None:
    """Tell all team members but the one who did it what happened to a roster."""
    organization = event.organization
    assert organization is not None  # noqa: S101  # rosters have one
    members = Membership.objects.for_organization(organization).filter(user__is_active=True)
    Notice.objects.bulk_create(
        [
            Notice(
                kind=kind,
                subject=f"event:{event.pk}",
                organization=organization,
                user=member.user,
                facts={**_told(event), **facts},
            )
            for member in members.exclude(user=event.user).select_related("user").order_by("pk")
        ],
        ignore_conflicts=True,
    )


def write_reminders(now: dt.datetime | None = None) -> None:
    """Remind delegates of secrets that expire and of unused clients. Running it again changes nothing."""
    now = now or timezone.now()
    for secret_id in list(_expiring(now).values_list("pk", flat=True)):
        with isolated("The reminder for secret", secret_id):
            _remind_of_secret(secret_id, now)
    for client_id in list(_unused(now).values_list("pk", flat=True)):
        with isolated("The reminder for client", client_id):
            _remind_of_unused_client(client_id)


def send_due(send: Callable[[Notice], None]) -> int:
    """Send the due messages. Return how many were sent. The others are tried again later."""

    def due(now: dt.datetime) -> "QuerySet[Notice]":
        return Notice.objects.due(now).select_related("organization", "client", "secret", "user")

    return outbox.send_due(due, send)


def _expiring(now: dt.datetime) -> "QuerySet[ClientSecret]":
    return (
        ClientSecret.objects.expiring(now + lifetimes.SECRET_REMINDERS[-1], now=now)
        .filter(expires_at__gt=now - lifetimes.EXPIRED_SECRET_REMINDER)
        .exclude(client__organization__in=gate.refused_organizations())
    )


@transaction.atomic
def _remind_of_secret(secret_id: int, now: dt.datetime) -> None:
    secret = ClientSecret.objects.select_related("client__organization").get(pk=secret_id)
    stage = next(each for each in lifetimes.SECRET_REMINDERS if secret.expires_at - now <= each)
    _write(
        Kind.SECRET_EXPIRING if stage else Kind.SECRET_EXPIRED,
        secret.client,
        subject=f"secret:{secret.pk}:{stage.days}",
        secret=secret,
        facts={"hint": secret.hint, "expires_at": secret.expires_at.isoformat()},
    )


def _unused(now: dt.datetime) -> "QuerySet[Client]":
    return (
        (Client.objects.in_state(Client.State.ACTIVE, now) | Client.objects.in_state(Client.State.EXPIRING, now))
        .annotate(idle_since=Coalesce("last_used_at", F("created")))
        .filter(idle_since__lte=now - lifetimes.UNUSED_CLIENT)
        .exclude(organization__in=gate.refused_organizations())
    )


@transaction.atomic
def _remind_of_unused_client(client_id: int) -> None:
    client = Client.objects.select_related("organization").get(pk=client_id)
    idle_since = client.last_used_at or client.created
    _write(
        Kind.CLIENT_UNUSED,
        client,
        subject=f"client:{client.pk}:{idle_since:%Y-%m-%d}",
        facts={"last_used_at": client.last_used_at.isoformat() if client.last_used_at else None},
    )


def _told(event: AuditEvent) -> dict[str, Any]:
    by = event.user
    return {
        "by": (by.name or by.email) if by else None,
        "address": event.address,
        "occurred_at": event.occurred_at.isoformat(),
    }


def _delegates(organization: Organization) -> "QuerySet[User]":
    managing = Membership.objects.managing_credentials(organization)
    return User.objects.filter(pk__in=managing.values("user")).order_by("pk")


def _write(
    kind: Notice.Kind, client: Client, *, subject: str, facts: dict[str, Any], secret: ClientSecret | None = None
) -> None:
    Notice.objects.bulk_create(
        [
            Notice(
                kind=kind,
                subject=subject,
                organization=client.organization,
                client=client,
                secret=secret,
                user=person,
                facts=facts,
            )
            for person in _delegates(client.organization)
        ],
        ignore_conflicts=True,
    )
