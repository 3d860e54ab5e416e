"""Publishes a previewed roster, in a moment: its rows are there already. A large change needs a second approval."""

from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models.functions import Now

from attribution import changes, cohorts
from attribution.changes import Change
from attribution.loading import turns
from attribution.models import RosterFile
from credentials import notices
from credentials.actor import Actor
from credentials.models import Membership, Notice
from credentials.trail import audit


class CannotPublishError(ValueError):
    """The roster can't be published like this. The message says why."""


class NeedsApprovalError(CannotPublishError):
    """So many beneficiaries joined or left that a second approval is needed."""


class OwnApprovalError(CannotPublishError):
    """The user who asked for the approval can't give it."""


@transaction.atomic
def publish(roster: RosterFile, *, by: Actor) -> RosterFile:
    """Publish a previewed roster. Raises CannotPublishError, and NeedsApprovalError if it changes too much."""
    found = _entered(roster)
    change = compared(found)
    if needs_approval(found, change):
        raise NeedsApprovalError(
            f"{change.joined:,} beneficiaries would join and {change.left:,} would leave. "
            "Give the reason, and ask another team member to approve it."
        )
    return _publish(found, change, by=by)


@transaction.atomic
def publish_as_operator(roster: RosterFile, *, swing_reason: str, by: Actor, **detail: int) -> RosterFile:
    """Publish a previewed roster. If it changes too much, it takes a reason, and nobody's approval.

    `detail` is for the audit trail. Raises CannotPublishError, and NeedsApprovalError without a reason.
    """
    found = _entered(roster)
    change = compared(found)
    if needs_approval(found, change):
        if not swing_reason:
            raise NeedsApprovalError(
                f"{change.joined:,} beneficiaries would join and {change.left:,} would leave. Give the reason."
            )
        found.swing_reason = swing_reason
    return _publish(found, change, by=by, **detail)


@transaction.atomic
def ask_for_approval(roster: RosterFile, *, reason: str, by: Actor) -> RosterFile:
    """Ask the other team members to publish a roster that changes a lot. Raises CannotPublishError."""
    found = _entered(roster)
    if found.approval_asked_at:
        raise CannotPublishError("Approval was already requested for this roster.")
    found.approval_asked_at = Now()
    found.approval_asked_by = by.user
    found.swing_reason = reason
    found.save(update_fields=["approval_asked_at", "approval_asked_by", "swing_reason"])
    change = compared(found)
    event = audit.record(
        audit.Action.ROSTER_APPROVAL_ASKED,
        by,
        organization=found.organization,
        roster=found.pk,
        file_name=found.file_name,
        reason=reason,
        joined=change.joined,
        left=change.left,
    )
    notices.announce_roster(Notice.Kind.ROSTER_NEEDS_APPROVAL, event=event, facts=_facts(found, change))
    roster.refresh_from_db()
    return roster


@transaction.atomic
def approve(roster: RosterFile, *, by: Actor, as_operator: bool = False) -> RosterFile:
    """Publish a roster for which approval was requested. Raises OwnApprovalError and CannotPublishError.

    It takes another team member, or an operator.
    """
    found = _entered(roster)
    if not found.approval_asked_at:
        raise CannotPublishError("Nobody has asked for approval of this roster.")
    if found.approval_asked_by_id is not None and by.user == found.approval_asked_by:
        raise OwnApprovalError("You asked for this approval, so another team member has to give it.")
    members = Membership.objects.for_organization(found.organization)
    if not as_operator and (by.user is None or not members.filter(user=by.user).exists()):
        raise CannotPublishError("Only a team member of the organization, or an operator, can approve a roster.")
    return _publish(found, compared(found), by=by)


def compared(roster: RosterFile) -> Change:
    """Return what a roster changes against the one before, counted now."""
    return changes.between(cohorts.roster_before(roster), roster)


def needs_approval(roster: RosterFile, change: Change) -> bool:
    """Return whether so many join or leave that it could be a wrong file.

    The first roster has nothing to compare with, and neither has the first runout roster of a year. A roster that is
    older than the one in use, and than the newest, changes nothing for exports.
    """
    before = cohorts.roster_before(roster)
    if before is None or (roster.kind == RosterFile.Kind.RUNOUT and before.performance_year != roster.performance_year):
        return False
    organization, kind = roster.organization, roster.kind
    if before not in (cohorts.current_roster(organization, kind), cohorts.exported_roster(organization, kind)):
        return False
    swing, percent = change.joined + change.left, change.swing_percent or 0
    is_large_part = percent >= settings.ROSTER_SWING_PERCENT and swing >= settings.ROSTER_SWING_AT_LEAST
    return bool(is_large_part or swing >= settings.ROSTER_SWING_COUNT)


def published_before(roster: RosterFile) -> str | None:
    """Return why a roster would be published twice, or None.

    A list that doesn't say when it was made is the same in months in which nobody joins or leaves.
    """
    if not roster.says_when_created:
        return None
    published = RosterFile.objects.for_organization(roster.organization).published()
    if same_name := published.filter(file_name=roster.file_name).first():
        when = f"{same_name.published_at:%Y-%m-%d %H:%M} UTC"
        remedy = (
            "You don't need to load it again."
            if same_name.sha256 == roster.sha256
            else "This one has other content. If it is a newer file, give it back the name that CMS gave it."
        )
        return f"A file with this name was published at {when}. {remedy}"
    if same_content := published.filter(sha256=roster.sha256).first():
        return f"The same content was already published as {same_content.file_name}. Choose this month's file."
    return None


def _entered(roster: RosterFile) -> RosterFile:
    """Return the roster as it is now, locked. Raises CannotPublishError if it is no longer a preview."""
    turns.wait_to_change(roster.organization)
    found = RosterFile.objects.select_for_update(of=("self",), no_key=True).get(pk=roster.pk)
    if found.status != RosterFile.Status.PREVIEWED:
        raise CannotPublishError(f"This roster was already {found.get_status_display().lower()}.")
    return found


def _publish(found: RosterFile, change: Change, *, by: Actor, **detail: int) -> RosterFile:
    if reason := published_before(found):
        raise CannotPublishError(reason)
    found.status = RosterFile.Status.PUBLISHED
    found.published_by = by.user
    found.beneficiary_count, found.joined_count, found.left_count = change.later_count, change.joined, change.left
    # As late as possible: no time before others could see it should count as its publication.
    found.published_at = Now()
    found.save()
    found.refresh_from_db()
    facts: dict[str, Any] = dict(detail)
    if found.swing_reason:
        facts["reason"] = found.swing_reason
    if found.approval_asked_by:
        facts["requested_by"] = str(found.approval_asked_by)
    event = audit.record(
        audit.Action.ROSTER_PUBLISHED,
        by,
        organization=found.organization,
        roster=found.pk,
        file_name=found.file_name,
        beneficiaries=found.beneficiary_count,
        joined=found.joined_count,
        left=found.left_count,
        **facts,
    )
    notices.announce_roster(Notice.Kind.ROSTER_PUBLISHED, event=event, facts=_facts(found, change))
    transaction.on_commit(_tell_the_planner, robust=True)
    return found


def _facts(roster: RosterFile, change: Change) -> dict[str, object]:
    """Return what a mail says of a roster: numbers, and never who is on it."""
    return {
        "roster": roster.pk,
        "file_name": roster.file_name,
        "beneficiaries": f"{change.later_count:,}",
        "joined": f"{change.joined:,}",
        "left": f"{change.left:,}",
        "reason": roster.swing_reason,
    }


def _tell_the_planner() -> None:
    """Exports will soon join this roster. Until its rows are counted, the planner assumes that there are none."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE attribution_rosterentry, attribution_mbi, attribution_beneficiary")
