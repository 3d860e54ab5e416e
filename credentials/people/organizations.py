"""The operators' functions for organizations: create one, and set its state. Each is one transaction."""

import datetime as dt
from dataclasses import asdict, dataclass

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone

from credentials.models import Organization, Program, User
from credentials.trail import audit

Status, Strategy = Organization.Status, Organization.Strategy
# No program is older. An earlier date is a mistake.
EARLIEST_DATE = dt.date(1900, 1, 1)


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
    program: Program,
    is_sandbox: bool = False,
    by: User | None,
    request: HttpRequest | None = None,
) -> Organization:
    """Return a new organization, active and without team members. Raises OrganizationRefusedError."""
    organization = Organization(entity_id=entity_id, name=name, program=program, is_sandbox=is_sandbox)
    try:
        organization.full_clean()
    except ValidationError as error:
        words = [f"{field}: {' '.join(messages)}" for field, messages in error.message_dict.items()]
        raise OrganizationRefusedError(" ".join(words)) from error
    if problem := organization.entity_id_problem():
        raise OrganizationRefusedError(f"entity_id: {problem}")
    try:
        with transaction.atomic():
            organization.save()
    except IntegrityError as error:  # another request has created it since the check
        raise OrganizationRefusedError(
            f"entity_id: The organization {entity_id} already exists. Use another entity ID."
        ) from error
    audit.record(
        audit.Action.ORGANIZATION_CREATED,
        organization=organization,
        user=by,
        request=request,
        after={"entity_id": entity_id, "name": name, "program": program, "is_sandbox": is_sandbox},
    )
    return organization


@transaction.atomic
def set_state(
    organization: Organization, state: OrganizationState, *, by: User | None, request: HttpRequest | None = None
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
        organization=organization,
        user=by,
        request=request,
        before=_described(before),
        after=_described(state),
    )
    return True


def _described(state: OrganizationState) -> dict[str, str]:
    return {name: str(value) for name, value in asdict(state).items() if value not in (None, "")}
