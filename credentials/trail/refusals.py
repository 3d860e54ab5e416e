"""Calls that were refused, written down so that whoever knocks all day cannot fill the disk.

The first call of a minute that is refused to a client, for one reason and from one address, is an event at once. The
others of that minute are counted, and become one more event when it is over. After too many (access/limits.py) the
trail says so, and until when the rest is turned away uncounted.
"""

import datetime as dt
from typing import Any

from django.db import transaction
from django.db.models import F
from django.http import HttpRequest
from django.utils import timezone

from credentials.access import limits
from credentials.access.middleware import client_address
from credentials.access.reasons import Reason
from credentials.isolation import isolated
from credentials.models import AuditEvent, Client, RefusedCalls
from credentials.trail import audit

# From more addresses than these, in one minute, calls are counted together, without an address.
ADDRESSES_A_MINUTE = 10


def record(
    action: audit.Action,
    *,
    client_id: str,
    client: Client | None,
    request: HttpRequest,
    reason: Reason,
    is_proven: bool = False,
    **detail: Any,
) -> None:
    """Write down that a call was refused, and count it at the client that it named, if there is one.

    `client_id` is what the caller gave, and `is_proven` whether it is this client and may pass. The same is done
    whether or not there is such a client, so that the time it takes tells nothing. Raises LimitReachedError when too
    many were refused; the first of these is still written down.
    """
    if excess := limits.spend(limits.failures(client_id or None, client_address(request), is_proven=is_proven)):
        record_excess(action, excess, client_id=client_id, client=client, request=request)
        raise limits.LimitReachedError(excess)
    _count(action, client_id=client_id, client=client, request=request, reason=reason, **detail)


def record_excess(
    action: audit.Action, excess: limits.Excess, *, client_id: str, client: Client | None, request: HttpRequest
) -> None:
    """Write down, once in a window, that from now on calls are turned away without being counted."""
    if excess.is_first:
        until = timezone.now() + dt.timedelta(seconds=excess.wait)
        _count(
            action,
            client_id=client_id,
            client=client,
            request=request,
            reason=Reason.TOO_MANY_CALLS,
            until=until.replace(microsecond=0),
        )


def write_down_past_minutes() -> int:
    """Write an event for the calls of past minutes that had none of their own; how many rows were dealt with."""
    written = 0
    for row_id in list(RefusedCalls.objects.of_past_minutes().order_by("pk").values_list("pk", flat=True)):
        with isolated("The refused calls in row", row_id):
            written += _write_down(row_id)
    return written


@transaction.atomic
def _count(
    action: audit.Action, *, client_id: str, client: Client | None, request: HttpRequest, reason: Reason, **detail: Any
) -> None:
    now, address = timezone.now(), client_address(request)
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
            organization=client.organization if client else None,
            client=client,
            request=request,
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
    """False when another worker does."""
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
        organization=row.client.organization if row.client else None,
        client=row.client,
        address=row.address,
        reason=row.reason,
        more=row.count - 1,
        minute=row.minute,
    )
