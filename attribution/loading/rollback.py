"""Rolls back a roster that should not have been published: the one before is in force again."""

from collections.abc import Callable
from dataclasses import dataclass

from django.db import transaction
from django.db.models.functions import Now

from attribution import cohorts
from attribution.loading import turns
from attribution.models import RosterFile
from credentials.actor import Actor
from credentials.registry import Registry
from credentials.trail import audit


class CannotRollBackError(ValueError):
    """The roster can't be rolled back. The message says why."""


@dataclass(frozen=True, slots=True)
class Consequence:
    """What has to happen in the transaction of a rollback, with what was made of the roster."""

    name: str
    follow: Callable[[RosterFile, Actor], None]


# Packages above this one add theirs in `AppConfig.ready`.
CONSEQUENCES: Registry[str, Consequence] = Registry("consequences of a rollback", lambda each: each.name)


@transaction.atomic
def roll_back(roster: RosterFile, *, reason: str, by: Actor) -> RosterFile | None:
    """Take a roster out of force. Return the roster of its kind that is in force now, or None.

    The roster and its beneficiaries are kept: exports that had it say who it was. The same file can be published again.
    Raises CannotRollBackError.
    """
    turns.wait_to_change(roster.organization)
    found = RosterFile.objects.select_for_update(of=("self",), no_key=True).get(pk=roster.pk)
    _check(found)
    found.status = RosterFile.Status.ROLLED_BACK
    found.rolled_back_at = Now()
    found.rolled_back_by = by.user
    found.rollback_reason = reason
    found.save(update_fields=["status", "rolled_back_at", "rolled_back_by", "rollback_reason"])
    found.refresh_from_db()
    restored = cohorts.exported_roster(found.organization, found.kind)
    audit.record(
        audit.Action.ROSTER_ROLLED_BACK,
        by,
        organization=found.organization,
        roster=found.pk,
        file_name=found.file_name,
        reason=reason,
        roster_in_force=restored.pk if restored else None,
    )
    for consequence in CONSEQUENCES:
        consequence.follow(found, by)
    roster.refresh_from_db()
    return restored


def roster_after_rollback(roster: RosterFile) -> RosterFile | None:
    """Return the roster that would be in force after a rollback, or None. Raises CannotRollBackError."""
    _check(roster)
    return cohorts.exported_roster(roster.organization, roster.kind, without=roster)


def _check(roster: RosterFile) -> None:
    if roster.status == RosterFile.Status.ROLLED_BACK:
        raise CannotRollBackError("This roster was already rolled back.")
    if not can_be_rolled_back(roster):
        raise CannotRollBackError("This roster isn’t in force. Only the roster in force can be rolled back.")


def can_be_rolled_back(roster: RosterFile) -> bool:
    """Return True for the roster in force, and for a newer one that is not in force yet."""
    if roster.status != RosterFile.Status.PUBLISHED:
        return False
    organization = roster.organization
    return roster in (
        cohorts.current_roster(organization, roster.kind),
        cohorts.exported_roster(organization, roster.kind),
    )
