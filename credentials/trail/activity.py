"""The audit trail as people look for something in it and take it with them: filters, CSV, NDJSON. All as streams."""

import csv
import datetime as dt
import json
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from credentials import database
from credentials.models import AuditEvent, Client, User
from credentials.models.audit_event import AuditEventQuerySet

COLUMNS = (
    *("occurred_at", "action", "outcome", "organization", "person", "client", "client_id"),
    *("address", "request_id", "before", "after", "detail"),
)
# A spreadsheet takes a cell that begins with one of these for a formula, a command or another cell's (OWASP, CSV
# injection): in some languages of Excel the full-width ones, too, which Unicode's compatibility forms (NFKC) lead back.
_BEGINS_A_FORMULA = frozenset("=+-@|%\N{MINUS SIGN}")
_BEGINS_A_CELL = ("\t", "\r", "\n")
_AT_A_TIME = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which events are wanted; what is left out does not matter."""

    since: dt.datetime | None = None
    until: dt.datetime | None = None  # and no longer
    actions: Collection[str] = ()
    outcome: AuditEvent.Outcome | None = None
    client: Client | None = None
    person: User | None = None

    def of(self, events: AuditEventQuerySet) -> AuditEventQuerySet:
        """Those of `events` that are wanted, the latest first."""
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
    """An event as plain data, a value for each of COLUMNS."""
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
    """The events as CSV, a line each after the header. No cell is a formula to a spreadsheet."""
    lines = csv.writer(_Passing())
    yield lines.writerow(COLUMNS)
    for event in _portions(events):
        yield lines.writerow([_cell(value) for value in facts(event).values()])


def ndjson_lines(events: AuditEventQuerySet) -> Iterator[str]:
    """The events as JSON, a line each."""
    for event in _portions(events):
        yield json.dumps(facts(event), ensure_ascii=False) + "\n"


def _portions(events: AuditEventQuerySet) -> Iterator[AuditEvent]:
    """All of `events`, which are ordered by `latest_first`. Between its portions no connection is held: a reader may be
    slow, and there may be many.
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
    """A file that keeps nothing: what is written to it is what `writerow` returns."""

    def write(self, line: str) -> str:
        return line


def _cell(value: Any) -> str:
    if value in (None, {}):
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if _may_be_formula(text) else text


def _may_be_formula(text: str) -> bool:
    """Whether a spreadsheet may see more than text in a cell: what stands before it and is not seen does not help."""
    first = next((character for character in text if character.isprintable() and not character.isspace()), "")
    return text.startswith(_BEGINS_A_CELL) or unicodedata.normalize("NFKC", first)[:1] in _BEGINS_A_FORMULA
