"""Times in words, in UTC."""

import datetime as dt

from django.utils import timezone

MINUTES_AN_HOUR = 60


def utc(moment: dt.datetime | None) -> str:
    """Return “Nov 22, 2026, 14:05 UTC”; empty for None."""
    return f"{_day(moment)}, {moment.astimezone(dt.UTC):%H:%M} UTC" if moment else ""


def exactly(moment: dt.datetime) -> str:
    """Return “Nov 22, 2026, 14:05:31 UTC”."""
    return f"{_day(moment)}, {moment.astimezone(dt.UTC):%H:%M:%S} UTC"


def day(moment: dt.date | None) -> str:
    """Return “Nov 22, 2026”, the day in UTC; empty for None."""
    return _day(moment) if moment else ""


def month(moment: dt.datetime) -> str:
    """Return “November 2026”, the month in UTC."""
    return f"{moment.astimezone(dt.UTC):%B %Y}"


def distance(moment: dt.datetime | None) -> str:
    """Return “in 12 days”, “in 5 hours”, or “3 minutes ago”. Days are calendar days in UTC."""
    if moment is None:
        return ""
    now = timezone.now()
    ahead = moment - now
    days = abs((moment.astimezone(dt.UTC).date() - now.astimezone(dt.UTC).date()).days)
    amount = count_of(days, "day") if abs(ahead) >= dt.timedelta(days=1) else _short(abs(ahead))
    return f"in {amount}" if ahead > dt.timedelta(0) else f"{amount} ago"


def duration(length: dt.timedelta) -> str:
    """Return “24 hours” or “5 minutes”."""
    return _short(length)


def count_of(number: int, what: str) -> str:
    """“1 day”, “12 days”"""
    return f"{number} {what}{'' if number == 1 else 's'}"


def _day(moment: dt.date) -> str:
    if isinstance(moment, dt.datetime):
        moment = moment.astimezone(dt.UTC)
    return f"{moment:%b} {moment.day}, {moment.year}"


def _short(distance: dt.timedelta) -> str:
    minutes = int(distance.total_seconds()) // 60
    if minutes >= MINUTES_AN_HOUR:
        return count_of(minutes // MINUTES_AN_HOUR, "hour")
    return count_of(minutes, "minute") if minutes else "less than a minute"
