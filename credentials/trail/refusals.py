"""Records refused calls, in a way that can't fill the disk.

For one client, reason and IP address, the first refused call of a minute is an event at once. The others are counted,
and become one more event when the minute is over. After too many (access/limits.py), the trail says so, and until when
further calls are not counted.
"""

import datetime as dt
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from credentials.access import limits
from credentials.access.addresses import UNKNOWN
from credentials.access.reasons import Reason
from credentials.actor import Actor
from credentials.isolation import isolated
from credentials.models import AuditEvent, Client, RefusedCalls
from credentials.trail import audit

# From more IP addresses than this in one minute, calls are counted together, without an address.
ADDRESSES_A_MINUTE = 10


def record(
    action: audit.Action,
    *,
    client_id: str,
    client: Client | None,
    by: Actor,
    reason: Reason,
    is_proven: bool = False,
    **detail: Any,
) -> None:
    """Record a refused call, and count it for the client that it names, if it exists.

    `client_id` is what the caller sent. `is_proven` means that it is this client and has access. The steps are the same
    whether or not the client exists, so that the time reveals nothing. Raises LimitReachedError if too many were
    refused; the first of these is still recorded.
    """
    if excess := limits.spend(limits.failures(client_id or None, by.address or UNKNOWN, is_proven=is_proven)):
        record_excess(action, excess, client_id=client_id, client=client, by=by)
        raise limits.LimitReachedError(excess)
    _count(action, client_id=client_id, client=client, by=by, reason=reason, **detail)


def record_excess(
    action: audit.Action, excess: limits.Excess, *, client_id: str, client: Client | None, by: Actor
) -> None:
    """Record, once in a window, that calls are now turned away without being counted."""
    if excess.is_first:
        until = timezone.now() + dt.timedelta(seconds=excess.wait)
        _count(
            action,
            client_id=client_id,
            client=client,
            by=by,
            reason=Reason.TOO_MANY_CALLS,
            until=until.replace(microsecond=0),
        )


def write_down_past_minutes() -> int:
    """Write an event for the counted calls of past minutes. Return how many rows were handled."""
    written = 0
    for row_id in list(RefusedCalls.objects.of_past_minutes().order_by("pk").values_list("pk", flat=True)):
        with isolated("The refused calls in row", row_id):
            written += _write_down(row_id)
    return written


@transaction.atomic
def _count(
    action: audit.Action, *, client_id: str, client: Client | None, by: Actor, reason: Reason, **detail: Any
) -> None:
    now, address = timezone.now(), by.address or UNKNOWN
    same = RefusedCalls.objects.filter(
        client=client, action=action, reason=reason, minute=now.replace(second=0, microsecond=0)
    )
    seen = set(same.values_list("address", flat=True))
    row, is_first = same.get_or_create(
        client=client,
        action=action,
        reason=reason,
        minute=now.replace(second=0, microsecond=0),
        address=address if address in seen or len(seen) < ADDRESSES_A_MINUTE else None,
    )
    if is_first:
        audit.record(
            action,
            by,
            organization=client.organization if client else None,
            client=client,
            reason=reason,
            **detail,
        )
    else:
        RefusedCalls.objects.filter(pk=row.pk).update(count=F("count") + 1)
    Client.objects.filter(client_id=client_id).update(
        failed_attempts=F("failed_attempts") + 1, last_failed_at=now, last_failed_address=address
    )


@transaction.atomic
def _write_down(row_id: int) -> bool:
    """Return False if another worker does it."""
    rows = RefusedCalls.objects.select_for_update(skip_locked=True, of=("self",)).filter(pk=row_id)
    row = rows.select_related("client__organization").first()
    if row is None:
        return False
    if row.count > 1:
        _write_event(row)
    row.delete()
    return True


def _write_event(row: RefusedCalls) -> AuditEvent:
    return audit.record(
        audit.Action(row.action),
        Actor(address=row.address),
        organization=row.client.organization if row.client else None,
        client=row.client,
        reason=row.reason,
        more=row.count - 1,
        minute=row.minute,
    )
