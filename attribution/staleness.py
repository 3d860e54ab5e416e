"""Which rosters exports can use now, by their age and performance year. The settings decide, for each program.

As in BCDA: a roster is too old after some days, one for another year isn't used, and an older limit of an organization
takes the place of the age. A roster for the next year is never used before that year.
"""

import datetime as dt
import enum

from django.conf import settings
from django.db.models import Q

from attribution.models import RosterFile
from credentials.models import Organization

RUNOUT = RosterFile.Kind.RUNOUT


class Years(enum.StrEnum):
    """Which performance year a roster can have. Last year's is always the one of a runout roster, but for ANY."""

    STRICT = "strict"  # this year's alone, as in BCDA: without one, there is no roster in use from January 1 on
    LAST_YEAR = "last-year"  # last year's roster stays in use until this year's is published
    ANY = "any"


def years_of(organization: Organization) -> Years:
    """Return the setting for the organization's program."""
    program = organization.program
    chosen = settings.ROSTER_YEARS
    return Years(chosen.get(program.code if program else "*") or chosen.get("*") or Years.STRICT)


def days_of(organization: Organization, kind: str) -> int | None:
    """Return how old a roster can be, in days; None for any age. A limited organization has no younger one."""
    if organization.bounds().attribution_until:
        return None
    return (settings.RUNOUT_DAYS if kind == RUNOUT else settings.ROSTER_DAYS) or None


def first_year(organization: Organization, kind: str, now: dt.datetime) -> int:
    """Return the oldest performance year that a roster can have."""
    match years_of(organization):
        case Years.STRICT:
            return now.year - (1 if kind == RUNOUT else 0)
        case Years.LAST_YEAR:
            return now.year - 1
        case Years.ANY:
            return 0


def last_year(organization: Organization, kind: str, now: dt.datetime) -> int:
    """Return the newest performance year that a roster can have."""
    is_over = kind == RUNOUT and years_of(organization) != Years.ANY
    return now.year - 1 if is_over else now.year


def usable(organization: Organization, kind: str, now: dt.datetime) -> Q:
    """Return what is true of the rosters of a kind that exports of the organization can use."""
    years = (first_year(organization, kind, now), last_year(organization, kind, now))
    found = Q(performance_year__range=years)
    if days := days_of(organization, kind):
        found &= Q(file_timestamp__gte=now - dt.timedelta(days=days))
    return found


def problem(roster: RosterFile, organization: Organization, now: dt.datetime) -> str | None:
    """Return why exports can't use a roster of the organization now, in a sentence; None if they can."""
    year, days = roster.performance_year, days_of(organization, roster.kind)
    if year > last_year(organization, roster.kind, now):
        return f"It is for {year}, so exports use it from January 1, {year + (roster.kind == RUNOUT)} on."
    if year < first_year(organization, roster.kind, now):
        return f"It is for {year}, which is over, so exports no longer use it."
    if days and roster.file_timestamp < now - dt.timedelta(days=days):
        return f"It is more than {days} days old, so exports no longer use it."
    return None
