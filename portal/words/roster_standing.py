"""The status of a roster, in words."""

from collections.abc import Collection

from attribution.models import RosterFile
from portal.words.standing import Status, Tone


def of_roster(roster: RosterFile, in_force: Collection[RosterFile] = ()) -> Status:
    """Return the status of a roster. `in_force`: those of its organization; without any, it isn't looked at."""
    if roster.status not in RosterFile.Status:  # from a newer version or a mistake: still show it and the others
        return Status(roster.status, Tone.WARNING)
    if roster.status == RosterFile.Status.PREVIEWED and roster.approval_asked_at:
        return Status("Waits for approval", Tone.WARNING)
    if roster.status == RosterFile.Status.PUBLISHED:
        if roster in in_force:
            return Status("In force", Tone.GOOD)
        if any(roster.kind == each.kind and roster.is_older_than(each) for each in in_force):
            return Status("Superseded", Tone.QUIET)
    return _OF_ROSTERS[RosterFile.Status(roster.status)]


_OF_ROSTERS = {
    RosterFile.Status.DISCARDED: Status("Discarded", Tone.QUIET),
    RosterFile.Status.PREVIEWED: Status("Not published yet", Tone.WARNING),
    RosterFile.Status.PUBLISHED: Status("Published", Tone.GOOD),
    RosterFile.Status.REFUSED: Status("Refused", Tone.BAD),
    RosterFile.Status.ROLLED_BACK: Status("Rolled back", Tone.QUIET),
}
