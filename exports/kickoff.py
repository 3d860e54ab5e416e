"""Starts, cancels and withdraws jobs. There is no other way to do it."""

import datetime as dt
from collections.abc import Sequence
from functools import partial

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from attribution import cohorts
from attribution.cohorts import CohortRule
from attribution.loading import intervals, turns
from attribution.loading.rollback import Consequence
from attribution.models import RosterFile
from credentials.actor import Actor
from credentials.models import Organization
from credentials.trail import audit
from exports import tasks
from exports.models import Job
from exports.sources import SOURCES
from exports.versions import VERSIONS


class NoRosterError(LookupError):
    """The organization has no roster, so it has no beneficiaries to export."""

    def __init__(self) -> None:
        super().__init__("failed to start job; attribution file not found")


class NothingLoadedError(LookupError):
    """There is nothing that an export in this version of the API could have: claims were loaded before it was added."""

    def __init__(self, version: int) -> None:
        super().__init__(
            f"No claims are loaded in version {version} of this API, so there is nothing to export. Ask the operator "
            "of this server to load them in this version, or use another version."
        )


@transaction.atomic
def kick_off(
    *,
    organization: Organization,
    version: int,
    scope: Job.Scope,
    resource_types: Sequence[str],
    since: dt.datetime | None,
    request_url: str,
    rule: CohortRule = cohorts.ALL,
    by: Actor,
) -> Job:
    """Start an export for a client or for a user. Raises NoRosterError, NothingLoadedError and PermissionDenied."""
    organization = _as_it_is(organization)
    check_version(organization, version)
    _check_types(organization, version, resource_types)
    bounds = organization.bounds()
    # Otherwise a job could use a roster that is rolled back right now, and the rollback would not find the job.
    turns.wait_to_choose(organization)
    # With Patient, newly attributed beneficiaries are not special: all get what changed since.
    cohort = rule.cohort_of(organization, since if scope == Job.Scope.GROUP_ALL else None)
    if cohort is None:
        raise NoRosterError
    claims_from_date = _first_service_date(organization)
    if not SOURCES[settings.EXPORT_SOURCE].has(version, since=since):
        raise NothingLoadedError(version)
    job = Job.objects.create(
        organization=organization,
        client=by.client,
        requested_by=by.user,
        version=version,
        scope=scope,
        resource_types=list(resource_types),
        since=since,
        request_url=request_url,
        cohort_rule=cohort.rule,
        roster_id=cohort.roster_ids[0],
        more_roster_ids=list(cohort.roster_ids[1:]),
        subtracted_roster_ids=list(cohort.subtracted_roster_ids),
        earlier_roster_id=cohort.earlier_roster_id,
        mistaken_roster_ids=intervals.rolled_back_since(cohort.roster(), since) if since else [],
        has_newly_attributed=cohort.has_newly_attributed,
        returned_beneficiary_ids=list(cohort.returned_ids),
        honors_opt_outs=cohort.consent.honors_opt_outs,
        opt_outs_as_of=cohort.consent.as_of,
        source=settings.EXPORT_SOURCE,
        claims_from_date=claims_from_date,
        claims_through_date=min(filter(None, (bounds.claims_through_date, cohort.claims_through_date)), default=None),
    )
    audit.record(
        audit.Action.EXPORT_STARTED,
        by,
        organization=organization,
        job=job.pk,
        scope=scope,
        cohort_rule=cohort.rule,
        resource_types=list(resource_types),
        since=since,
    )
    transaction.on_commit(partial(tasks.call_planner, job.pk))
    return job


def check_version(organization: Organization, version: int) -> None:
    """Raises PermissionDenied if the organization can't use this version of the API."""
    rules = organization.rules
    if rules and version not in rules.api_versions:
        raise PermissionDenied(
            f"{organization.entity_id} can't use version {version} of this API. Use another version."
        )


def _check_types(organization: Organization, version: int, resource_types: Sequence[str]) -> None:
    """Raises PermissionDenied if its rules have changed since the types were chosen, before it was locked."""
    if not set(resource_types) <= set(VERSIONS[version].resource_types_for(organization.rules)):
        raise PermissionDenied(f"What {organization.entity_id} can get has just changed. Start the export again.")


@transaction.atomic
def cancel(job: Job, *, by: Actor) -> bool:
    """Cancel a job that is not finished, and remove its files. Return False if it is finished."""
    cancelled = any(job.advance(from_=status, to=Job.Status.CANCELLED, finished_at=Now()) for status in Job.UNFINISHED)
    if cancelled:
        audit.record(audit.Action.EXPORT_CANCELLED, by, organization=job.organization, job=job.pk)
        transaction.on_commit(tasks.call_expire)
        # While it waited, others may have left workers to it.
        transaction.on_commit(tasks.call_writers)
    return cancelled


def withdraw(roster: RosterFile, by: Actor) -> None:
    """Cancel the unfinished jobs that depend on who is on a roster, and withdraw the finished ones."""
    jobs = Job.objects.for_organization(roster.organization).with_roster(roster).order_by("pk")
    for job in jobs.unfinished():
        cancel(job, by=by)
    # Only now: a job that was finished just before it could be cancelled is one of these.
    for job in jobs.filter(status=Job.Status.COMPLETED):
        if job.advance(from_=Job.Status.COMPLETED, to=Job.Status.EXPIRED, withdrawn_at=Now()):
            audit.record(audit.Action.EXPORT_WITHDRAWN, by, organization=job.organization, job=job.pk, roster=roster.pk)
    transaction.on_commit(tasks.call_expire)


# When a roster is rolled back, its beneficiaries' claims must not be delivered any longer.
WITHDRAWAL = Consequence("the withdrawal of exports", withdraw)


def _as_it_is(organization: Organization) -> Organization:
    """Return the organization as it is now. Its program and entity ID stay as they are until the job is committed.

    Otherwise a job could be newer than a change of the program, and still follow the rules of the former one.
    """
    as_it_is = "SELECT * FROM credentials_organization WHERE id = %s FOR KEY SHARE"
    [found] = Organization.objects.raw(as_it_is, [organization.pk])
    return found


def _first_service_date(organization: Organization) -> dt.date | None:
    """Return the earliest service date that the organization can see. Its rules decide how far back that is."""
    rules = organization.rules
    if rules is None:  # the gate has refused it before
        raise PermissionDenied(organization.program_problem())
    return rules.dates.first_service_date(timezone.localdate())
