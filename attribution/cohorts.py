"""Finds the roster with an organization's beneficiaries, now and at an earlier time."""

import datetime as dt
from collections.abc import Iterable

from django.db.models import Q

from attribution.models import RosterFile
from attribution.models.roster import RosterFileQuerySet
from credentials.models import Organization

CURRENT = RosterFile.Kind.CURRENT


def current_roster(
    organization: Organization, kind: str = CURRENT, *, until: dt.date | None = None
) -> RosterFile | None:
    """Return the newest published roster of a kind, or None. CMS's own date decides, not the order of arrival.

    `until` leaves out rosters that CMS made after that day.
    """
    rosters = _newest_first(organization, kind)
    return (rosters.filter(file_timestamp__date__lte=until) if until else rosters).first()


def exported_roster(organization: Organization) -> RosterFile | None:
    """Return the roster that an export of the organization uses now, or None. For a limited one, its bounds apply."""
    return current_roster(organization, until=organization.bounds().attribution_until)


def exported_rosters(organizations: Iterable[Organization]) -> dict[int, RosterFile]:
    """Return `exported_roster` for each organization that has one, by the organization's primary key, in one query."""
    wanted = Q(pk__in=[])
    for organization in organizations:
        until = organization.bounds().attribution_until
        bounded = Q(file_timestamp__date__lte=until) if until else Q()
        wanted |= Q(organization=organization) & bounded
    rosters = RosterFile.objects.published().filter(wanted, kind=CURRENT)
    return {roster.organization_id: roster for roster in rosters.newest_of_each_organization()}


def roster_as_of(organization: Organization, moment: dt.datetime, kind: str = CURRENT) -> RosterFile | None:
    """Return the roster that was in force at a time: the newest of those published by then, or None."""
    return _newest_first(organization, kind).filter(published_at__lte=moment).first()


def roster_before(roster: RosterFile) -> RosterFile | None:
    """Return the published roster before this one in CMS's order, of the same organization and kind, or None."""
    older_year = Q(performance_year__lt=roster.performance_year)
    same_year = Q(performance_year=roster.performance_year)
    older_file = Q(file_timestamp__lt=roster.file_timestamp)
    same_moment = Q(file_timestamp=roster.file_timestamp, pk__lt=roster.pk)
    earlier = older_year | (same_year & (older_file | same_moment))
    return _newest_first(roster.organization, roster.kind).filter(earlier).first()


def _newest_first(organization: Organization, kind: str) -> RosterFileQuerySet:
    return RosterFile.objects.for_organization(organization).published().filter(kind=kind).newest_first()
