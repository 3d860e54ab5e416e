"""Times, sizes and states as people say them."""

import datetime as dt

from django import template
from django.utils import timezone

from attribution.models import RosterFile
from credentials.models import Client
from exports.models import Job
from portal import standing

KILO = 1000
MINUTES_AN_HOUR = 60

register = template.Library()


@register.filter
def utc(moment: dt.datetime | None) -> str:
    """22 Nov 2026, 14:05 UTC"""
    return f"{_day(moment)}, {moment.astimezone(dt.UTC):%H:%M} UTC" if moment else ""


@register.filter
def day(moment: dt.date | None) -> str:
    """22 Nov 2026; of a time, the day in UTC."""
    return _day(moment) if moment else ""


@register.filter
def distance(moment: dt.datetime | None) -> str:
    """How far off a time is: “in 12 days”, “in 5 hours”, “3 minutes ago”. Days are counted on the calendar, in UTC."""
    if moment is None:
        return ""
    now = timezone.now()
    ahead = moment - now
    days = abs((moment.astimezone(dt.UTC).date() - now.astimezone(dt.UTC).date()).days)
    amount = _count(days, "day") if abs(ahead) >= dt.timedelta(days=1) else _short(abs(ahead))
    return f"in {amount}" if ahead > dt.timedelta(0) else f"{amount} ago"


@register.filter
def duration(length: dt.timedelta) -> str:
    """24 hours; 90 minutes"""
    return _short(length)


@register.filter
def thousands(number: int | None) -> str:
    """1,900,000"""
    return f"{number or 0:,}"


@register.filter
def size(count: int | None) -> str:
    """Bytes: 512 bytes, 1.5 MB, 22.0 GB; a kilobyte is 1,000 bytes."""
    amount = float(count or 0)
    if amount < KILO:
        return _count(int(amount), "byte")
    for unit in ("kB", "MB", "GB"):
        amount /= KILO
        if amount < KILO:
            return f"{amount:.1f} {unit}"
    return f"{amount / KILO:.1f} TB"


@register.inclusion_tag("components/status.html")
def status_of(subject: Client | Job | RosterFile) -> dict[str, standing.Status]:
    """The mark and the words for how a client, a job or a roster stands."""
    match subject:
        case Client():
            return {"status": standing.of_client(subject)}
        case Job():
            return {"status": standing.of_job(subject)}
        case _:
            return {"status": standing.of_roster(subject)}


def _day(moment: dt.date) -> str:
    if isinstance(moment, dt.datetime):
        moment = moment.astimezone(dt.UTC)
    return f"{moment.day} {moment:%b %Y}"


def _short(distance: dt.timedelta) -> str:
    minutes = int(distance.total_seconds()) // 60
    if minutes >= MINUTES_AN_HOUR:
        return _count(minutes // MINUTES_AN_HOUR, "hour")
    return _count(minutes, "minute") if minutes else "less than a minute"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
