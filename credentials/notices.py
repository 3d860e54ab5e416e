"""Which messages are due to whom. They are written in the transaction of what they tell of, and sent after it.

Everybody who may manage an organization's credentials gets each message once. That is a constraint of the database, so
it holds however often a task runs and however many workers there are. `portal/emails.py` knows the words.
"""

import datetime as dt
import smtplib
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from credentials.models import (
    AuditEvent,
    Client,
    ClientKey,
    ClientKeySet,
    ClientSecret,
    Membership,
    Notice,
    Organization,
    User,
)

Kind = Notice.Kind

# So many days before a secret expires, and when it has expired.
REMINDED_BEFORE = tuple(dt.timedelta(days=days) for days in (0, 1, 3, 7, 14, 30))
# Nobody is told of a secret that expired earlier than this: of what was imported, or after a long standstill.
TOLD_AFTERWARDS = dt.timedelta(days=3)
UNUSED = dt.timedelta(days=60)
FIRST_PAUSE, LONGEST_PAUSE = dt.timedelta(minutes=1), dt.timedelta(hours=1)
AT_A_TIME = 500


def announce(kind: Notice.Kind, client: Client, *, event: AuditEvent, **facts: Any) -> None:
    """Tell the organization's delegates what was done to a client. Call it beside `audit.record`, with its event."""
    _write(kind, client, subject=f"event:{event.pk}", facts={**_told(event), **facts})


def announce_member(kind: Notice.Kind, membership: Membership, *, event: AuditEvent) -> None:
    """Tell the other delegates who has joined or was removed; and the person who was removed."""
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


def pause_after(attempts: int) -> dt.timedelta:
    """How long to wait after so many tries that failed."""
    doubled: int = 2 ** min(attempts - 1, 10)
    return min(FIRST_PAUSE * doubled, LONGEST_PAUSE)


def write_reminders(now: dt.datetime | None = None) -> None:
    """Remind of secrets that expire and of clients that are not used. Running it again changes nothing."""
    now = now or timezone.now()
    _remind_of_secrets(now)
    _remind_of_unused_clients(now)


def send_due(send: Callable[[Notice], None]) -> int:
    """Send what is due, and try again later what cannot be sent; how many were sent.

    Each row is locked while it is sent, so that no two workers send it. A worker that dies after the mail server has
    taken a message and before the row says so leaves it to be sent again: with the same Message-ID.
    """
    return sum(1 for outcome in iter(lambda: _send_next(send), None) if outcome)


def _send_next(send: Callable[[Notice], None]) -> bool | None:
    """Whether the next message was sent; None when there is none, or the server cannot take any."""
    now = timezone.now()
    with transaction.atomic():
        due = Notice.objects.due(now).select_related("organization", "client", "secret", "user").order_by("pk")
        notice = due.select_for_update(skip_locked=True, of=("self",)).first()
        if notice is None:
            return None
        if notice.is_pointless:
            notice.withdrawn_at = now
            notice.save(update_fields=["withdrawn_at"])
            return False
        try:
            send(notice)
        except OSError as error:  # smtplib's errors among them
            notice.attempts += 1
            notice.next_attempt_at = now + pause_after(notice.attempts)
            notice.last_error = f"{type(error).__name__}: {error}"[:200]
            notice.save(update_fields=["attempts", "next_attempt_at", "last_error"])
            # One address that is refused says nothing about the others; a server that is away does.
            return False if isinstance(error, smtplib.SMTPRecipientsRefused) else None
        notice.attempts += 1
        notice.sent_at = now
        notice.save(update_fields=["attempts", "sent_at"])
        return True


def _remind_of_secrets(now: dt.datetime) -> None:
    secrets = (
        ClientSecret.objects.expiring(now + REMINDED_BEFORE[-1], now=now)
        .filter(expires_at__gt=now - TOLD_AFTERWARDS)
        .exclude(client__organization__status=Organization.Status.DENIED)
        .select_related("client__organization")
    )
    for secret in secrets.iterator(AT_A_TIME):
        stage = next(each for each in REMINDED_BEFORE if secret.expires_at - now <= each)
        _write(
            Kind.SECRET_EXPIRING if stage else Kind.SECRET_EXPIRED,
            secret.client,
            subject=f"secret:{secret.pk}:{stage.days}",
            secret=secret,
            facts={"hint": secret.hint, "expires_at": secret.expires_at.isoformat()},
        )


def _remind_of_unused_clients(now: dt.datetime) -> None:
    clients = (
        Client.objects.live()
        .annotate(idle_since=Coalesce("last_used_at", F("created")))
        .filter(idle_since__lte=now - UNUSED)
        .filter(_lives(ClientSecret) | _lives(ClientKey) | _lives(ClientKeySet))
        .exclude(organization__status=Organization.Status.DENIED)
        .select_related("organization")
    )
    for client in clients.iterator(AT_A_TIME):
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


def _lives(kind: type[ClientSecret] | type[ClientKey] | type[ClientKeySet]) -> Exists:
    return Exists(kind.objects.live().filter(client=OuterRef("pk")))


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
