"""Searches and exports the audit trail: filters, CSV, NDJSON. All as streams."""

import csv
import datetime as dt
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from credentials import database
from credentials.models import AuditEvent, Client, User
from credentials.models.audit_event import AuditEventQuerySet
from credentials.trail.spreadsheet import cell

COLUMNS = (
    *("occurred_at", "action", "outcome", "organization", "person", "client", "client_id"),
    *("address", "request_id", "before", "after", "detail"),
)
_AT_A_TIME = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which events to find. A field that is left out matches all."""

    since: dt.datetime | None = None
    until: dt.datetime | None = None  # events before this time only
    actions: Collection[str] = ()
    outcome: AuditEvent.Outcome | None = None
    client: Client | None = None
    person: User | None = None

    def of(self, events: AuditEventQuerySet) -> AuditEventQuerySet:
        """Return the matching `events`, the latest first."""
        if self.since is not None:
            events = events.filter(occurred_at__gte=self.since)
        if self.until is not None:
            events = events.filter(occurred_at__lt=self.until)
        if self.actions:
            events = events.filter(action__in=self.actions)
        if self.outcome is not None:
            events = events.filter(outcome=self.outcome)
        if self.client is not None:
            events = events.filter(client=self.client)
        if self.person is not None:
            events = events.filter(user=self.person)
        return events.select_related("organization", "user", "client").latest_first()


def facts(event: AuditEvent) -> dict[str, Any]:
    """Return an event as plain data, one value for each of COLUMNS."""
    detail = dict(event.detail)
    return {
        "occurred_at": event.occurred_at.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "action": event.action,
        "outcome": event.outcome,
        "organization": event.organization.entity_id if event.organization else None,
        "person": event.user.email if event.user else None,
        "client": event.client.name if event.client else None,
        "client_id": event.client.client_id if event.client else None,
        "address": event.address,
        "request_id": event.request_id,
        "before": detail.pop("before", None),
        "after": detail.pop("after", None),
        "detail": detail,
    }


def csv_lines(events: AuditEventQuerySet) -> Iterator[str]:
    """Return the events as CSV, one line each after the header. No cell is a formula in a spreadsheet."""
    lines = csv.writer(_Passing())
    yield lines.writerow(COLUMNS)
    for event in _portions(events):
        yield lines.writerow([_cell(value) for value in facts(event).values()])


def ndjson_lines(events: AuditEventQuerySet) -> Iterator[str]:
    """Return the events as JSON, one line each."""
    for event in _portions(events):
        yield json.dumps(facts(event), ensure_ascii=False) + "\n"


def _portions(events: AuditEventQuerySet) -> Iterator[AuditEvent]:
    """Return all `events`, which are ordered by `latest_first`. Between portions it holds no connection: readers can be
    slow, and there can be many.
    """
    rest = events
    while portion := list(rest[:_AT_A_TIME]):
        database.give_back()
        yield from portion
        if len(portion) < _AT_A_TIME:
            return
        last = portion[-1]
        before = Q(occurred_at__lt=last.occurred_at) | Q(id__lt=last.pk)
        rest = events.filter(before, occurred_at__lte=last.occurred_at)


class _Passing:
    """A file that keeps nothing: `writerow` returns what is written to it."""

    def write(self, line: str) -> str:
        return line


def _cell(value: Any) -> str:
    if value in (None, {}):
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return cell(text)
