"""When a roster was in force, and which rosters have been rolled back since a time."""

import datetime as dt

from attribution import cohorts
from attribution.models import RosterFile


def in_force(
    roster: RosterFile, moment: dt.datetime, *, until: dt.date | None = None
) -> tuple[dt.datetime, dt.datetime | None]:
    """Return two times between which a roster was in force without a break: the interval with a time, or the next.

    It can have been in force somewhat longer. The second is the time of the next roster, None if there was no other.
    """
    times = (
        RosterFile.objects.for_organization(roster.organization)
        .once_in_force()
        .filter(kind=roster.kind)
        .values_list("published_at", "rolled_back_at", "performance_year")
    )
    changes = sorted(
        {each for *both, _ in times for each in both if each is not None}
        | {dt.datetime(year, 1, 1, tzinfo=dt.UTC) for *_, year in times}
    )
    before = [each for each in changes if each <= moment]
    after = [each for each in changes if each > moment]

    def is_it(at: dt.datetime) -> bool:
        return cohorts.roster_as_of(roster.organization, at, roster.kind, until=until) == roster

    began = next((each for each in (*reversed(before), *after) if is_it(each)), None)
    if began is None:  # an operator has changed its bounds since
        return moment, None
    return began, next((each for each in changes if each > began and not is_it(each)), None)


def rolled_back_since(roster: RosterFile, since: dt.datetime) -> list[int]:
    """Return the rosters, of the same organization and kind, that an export from `since` on can have had by mistake."""
    rosters = RosterFile.objects.for_organization(roster.organization).filter(kind=roster.kind)
    return [
        each.pk
        for each in rosters.filter(status=RosterFile.Status.ROLLED_BACK, rolled_back_at__gt=since).order_by("pk")
    ]
