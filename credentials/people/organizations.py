"""The operators' functions for organizations: create one, set its program, its exceptions, its state.

Each is one transaction.
"""

import datetime as dt
from dataclasses import asdict, dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from credentials import programs
from credentials.actor import Actor
from credentials.models import Organization
from credentials.programs import PROGRAMS, Exceptions, Program
from credentials.trail import audit

Status, Strategy = Organization.Status, Organization.Strategy
# No program is older. An earlier date is a mistake.
EARLIEST_DATE = dt.date(1900, 1, 1)
NO_VERSION = "Versions of the API are numbers from 1 to 99."


class OrganizationRefusedError(ValueError):
    """The organization can't be created or changed this way; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationState:
    """What an organization can get: everything, claims limited by date, or nothing."""

    status: Organization.Status
    reason: str = ""  # its team can read it
    termination_date: dt.date | None = None
    attribution: Organization.Strategy = Strategy.HISTORICAL
    opt_out: Organization.Strategy = Strategy.HISTORICAL
    claims: Organization.Strategy = Strategy.HISTORICAL

    @classmethod
    def of(cls, organization: Organization) -> "OrganizationState":
        return cls(
            status=Status(organization.status),
            reason=organization.status_reason,
            termination_date=organization.termination_date,
            attribution=Strategy(organization.attribution_strategy),
            opt_out=Strategy(organization.opt_out_strategy),
            claims=Strategy(organization.claims_strategy),
        )


@transaction.atomic
def create_organization(
    *,
    entity_id: str,
    name: str,
    program_code: str,
    is_sandbox: bool = False,
    by: Actor,
) -> Organization:
    """Return a new organization, active and without team members. Raises OrganizationRefusedError."""
    program = _program_with(entity_id, program_code)
    organization = Organization(
        entity_id=entity_id, name=name, is_sandbox=is_sandbox, **Organization.columns_of(program)
    )
    try:
        organization.full_clean()
    except ValidationError as error:
        words = [f"{field}: {' '.join(messages)}" for field, messages in error.message_dict.items()]
        raise OrganizationRefusedError(" ".join(words)) from error
    _save(organization)
    audit.record(
        audit.Action.ORGANIZATION_CREATED,
        by,
        organization=organization,
        after={"entity_id": entity_id, "name": name, "program": program_code, "is_sandbox": is_sandbox},
    )
    return organization


@transaction.atomic
def set_program(
    organization: Organization,
    *,
    entity_id: str,
    program_code: str,
    by: Actor,
) -> bool:
    """Set the program and the entity ID, which count from the next request on. Return False if they are the same.

    What was exported by the rules of another program, or of none, can no longer be downloaded.

    Raises OrganizationRefusedError if the entity ID isn't one of the program's, or is another organization's.
    """
    program = _program_with(entity_id, program_code)
    known = Organization.objects.select_for_update().get(pk=organization.pk)
    if (known.entity_id, known.program) == (entity_id, program):
        return False
    organization.entity_id = entity_id
    organization.program_code, organization.code_before = program.code, programs.code_before(program.code)
    if known.program != program:
        organization.program_changed_at = timezone.now()
    _save(organization, update_fields=["entity_id", "program_code", "code_before", "program_changed_at"])
    audit.record(
        audit.Action.ORGANIZATION_PROGRAM_CHANGED,
        by,
        organization=organization,
        before={"entity_id": known.entity_id, "program": known.program.code if known.program else ""},
        after={"entity_id": entity_id, "program": program.code},
    )
    return True


def is_version(number: int) -> bool:
    """Return whether it can be a version of the API. Whether the API has it is not known here."""
    return 1 <= number < 100  # noqa: PLR2004  # as in a path


@transaction.atomic
def set_exceptions(organization: Organization, exceptions: Exceptions, *, by: Actor) -> bool:
    """Set what differs from the program, from the next request on. Return False if it is already so.

    Exports that have started keep the dates and types that they started with. Raises OrganizationRefusedError.
    """
    if exceptions.claims_from_date and exceptions.claims_from_date < EARLIEST_DATE:
        raise OrganizationRefusedError(
            f"The date {exceptions.claims_from_date} is before {EARLIEST_DATE}. Use a later date."
        )
    if exceptions.api_versions and not all(map(is_version, exceptions.api_versions)):
        raise OrganizationRefusedError(NO_VERSION)
    before = Organization.objects.select_for_update(no_key=True).get(pk=organization.pk).exceptions
    versions = list(exceptions.api_versions) if exceptions.api_versions else None
    organization.api_versions = versions
    organization.claims_from_date = exceptions.claims_from_date
    organization.has_partially_adjudicated = exceptions.has_partially_adjudicated
    if organization.exceptions == before:
        return False
    organization.save(update_fields=["api_versions", "claims_from_date", "has_partially_adjudicated"])
    audit.record(
        audit.Action.ORGANIZATION_EXCEPTIONS_CHANGED,
        by,
        organization=organization,
        before=_as_facts(before),
        after=_as_facts(organization.exceptions),
    )
    return True


def _as_facts(exceptions: Exceptions) -> dict[str, str]:
    facts = {
        "api_versions": ", ".join(map(str, exceptions.api_versions or ())),
        "claims_from_date": exceptions.claims_from_date,
        "has_partially_adjudicated": exceptions.has_partially_adjudicated,
    }
    return {name: str(value) for name, value in facts.items() if value not in (None, "")}


def _program_with(entity_id: str, program_code: str) -> Program:
    """Return the program, which has such entity IDs. Raises OrganizationRefusedError."""
    program = PROGRAMS.get(program_code)
    if program is None:
        known = ", ".join(each.code for each in PROGRAMS)
        raise OrganizationRefusedError(f"program: {program_code!r} isn’t a program. Use one of these: {known}.")
    if problem := Organization(entity_id=entity_id, program_code=program_code).program_problem():
        raise OrganizationRefusedError(f"entity_id: {problem}")
    return program


def _save(organization: Organization, **options: Any) -> None:
    """Raises OrganizationRefusedError if another request has taken the entity ID since the check."""
    try:
        with transaction.atomic():
            organization.save(**options)
    except IntegrityError as error:
        raise OrganizationRefusedError(
            f"entity_id: The organization {organization.entity_id} already exists. Use another entity ID."
        ) from error


@transaction.atomic
def set_state(
    organization: Organization,
    state: OrganizationState,
    *,
    by: Actor,
) -> bool:
    """Set what an organization can get, from the next request on. Return False if it is already so.

    Raises OrganizationRefusedError for a limited organization without a termination date, and for a date that is too
    early.
    """
    if state.status == Status.LIMITED and state.termination_date is None:
        raise OrganizationRefusedError(
            "The termination date is missing. A limited organization needs one: the day its participation ended."
        )
    if state.termination_date is not None and state.termination_date < EARLIEST_DATE:
        raise OrganizationRefusedError(
            f"The termination date {state.termination_date} is before {EARLIEST_DATE}. Use a later date."
        )
    before = OrganizationState.of(Organization.objects.select_for_update(no_key=True).get(pk=organization.pk))
    if state == before:
        return False
    organization.status = state.status
    organization.status_reason = state.reason
    organization.status_changed_at = timezone.now()
    organization.termination_date = state.termination_date
    organization.attribution_strategy = state.attribution
    organization.opt_out_strategy = state.opt_out
    organization.claims_strategy = state.claims
    organization.save(
        update_fields=[
            *("status", "status_reason", "status_changed_at", "termination_date"),
            *("attribution_strategy", "opt_out_strategy", "claims_strategy"),
        ]
    )
    audit.record(
        audit.Action.ORGANIZATION_STATE_CHANGED,
        by,
        organization=organization,
        before=_described(before),
        after=_described(state),
    )
    return True


def _described(state: OrganizationState) -> dict[str, str]:
    return {name: str(value) for name, value in asdict(state).items() if value not in (None, "")}
