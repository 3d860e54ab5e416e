"""Pages of the audit trail by the position of their first and last event, so the last page is as fast as the first."""

import datetime as dt
import re
from dataclasses import dataclass

from django.db.models import Q

from credentials.models import AuditEvent
from credentials.models.audit_event import AuditEventQuerySet

EVENTS_A_PAGE = 50

_PLACE = re.compile(r"(\d{1,17})\.(\d{1,18})")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events, newest first, and the positions of newer and older pages; None if there are none."""

    events: list[AuditEvent]
    newer: str | None
    older: str | None


def page_of(events: AuditEventQuerySet, *, before: str = "", after: str = "") -> EventPage:
    """Return a page of `events` (ordered by `latest_first`): before or after a position, or the newest."""
    if place := _read(after):
        moment, number = place
        beyond = Q(occurred_at__gt=moment) | Q(id__gt=number)
        found = list(events.filter(beyond, occurred_at__gte=moment).reverse()[: EVENTS_A_PAGE + 1])
        if len(found) > EVENTS_A_PAGE:
            shown = found[EVENTS_A_PAGE - 1 :: -1]
            return EventPage(shown, newer=_place(shown[0]), older=_place(shown[-1]))
        # Too few to fill a page, so this is the first page.
    place = None if after else _read(before)
    if place:
        moment, number = place
        events = events.filter(Q(occurred_at__lt=moment) | Q(id__lt=number), occurred_at__lte=moment)
    found = list(events[: EVENTS_A_PAGE + 1])
    shown, has_older = found[:EVENTS_A_PAGE], len(found) > EVENTS_A_PAGE
    return EventPage(
        shown,
        newer=_place(shown[0]) if place and shown else None,
        older=_place(shown[-1]) if has_older else None,
    )


def _place(event: AuditEvent) -> str:
    return f"{(event.occurred_at - _EPOCH) // _MICROSECOND}.{event.pk}"


def _read(place: str) -> tuple[dt.datetime, int] | None:
    match = _PLACE.fullmatch(place)
    return (_EPOCH + int(match[1]) * _MICROSECOND, int(match[2])) if match else None
