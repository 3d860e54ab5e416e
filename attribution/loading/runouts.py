"""Makes last year's runout roster from the last roster of that year, and rolls it back.

CMS sends a runout roster some weeks into the year. Until then, this one says who was attributed last year.
"""

import hashlib

from django.db import connection, transaction
from django.utils import timezone

from attribution.loading import publication, rollback, turns
from attribution.models import RosterFile
from attribution.models.roster import RosterFileQuerySet
from credentials.actor import Actor
from credentials.models import Organization

# How the name of such a roster begins. No file of CMS has such a name.
_MADE_FROM = "Runout made from "
_COPY_ENTRIES = """
    INSERT INTO attribution_rosterentry (roster_id, beneficiary_id)
    SELECT %s, beneficiary_id FROM attribution_rosterentry WHERE roster_id = %s
"""


class CannotMakeRunoutError(ValueError):
    """Last year's runout roster can't be made, or there is none to roll back. The message says why."""


@transaction.atomic
def make_runout(organization: Organization, *, by: Actor) -> RosterFile:
    """Publish a runout roster with the beneficiaries of last year's last roster. Raises CannotMakeRunoutError.

    It has the time of that roster, so it becomes too old as one from CMS would.
    """
    turns.wait_to_load(organization)
    turns.wait_to_change(organization)  # The source must not be rolled back meanwhile.
    year = timezone.localdate().year - 1
    if there := _runouts(organization, year).first():
        raise CannotMakeRunoutError(
            f"{organization.entity_id} already has a runout roster for {year}: {there.file_name}. Nothing was changed."
        )
    rosters = RosterFile.objects.for_organization(organization).published().filter(kind=RosterFile.Kind.CURRENT)
    source = rosters.filter(performance_year=year).newest_first().first()
    if source is None:
        raise CannotMakeRunoutError(f"{organization.entity_id} has no roster for {year} to make it from.")
    made = RosterFile.objects.create(
        organization=organization,
        kind=RosterFile.Kind.RUNOUT,
        status=RosterFile.Status.PREVIEWED,
        file_name=_MADE_FROM + source.file_name[: 255 - len(_MADE_FROM)],
        # There is no file. Content that was published once is refused, so this has to be its own.
        sha256=_sha256_made_from(source),
        performance_year=year,
        file_timestamp=source.file_timestamp,
        received_from=by.user,
    )
    with connection.cursor() as cursor:
        cursor.execute(_COPY_ENTRIES, [made.pk, source.pk])
    try:
        return publication.publish_as_operator(made, swing_reason="", by=by, made_from=source.pk)
    except publication.CannotPublishError as error:
        raise CannotMakeRunoutError(str(error)) from error


@transaction.atomic
def undo_runout(organization: Organization, *, by: Actor) -> RosterFile:
    """Roll back last year's runout roster, if it was made here. Raises CannotMakeRunoutError."""
    year = timezone.localdate().year - 1
    made = _runouts(organization, year).filter(file_name__startswith=_MADE_FROM).first()
    if made is None:
        raise CannotMakeRunoutError(f"{organization.entity_id} has no runout roster for {year} that was made here.")
    try:
        rollback.roll_back(made, reason="It was made from the last roster of the year.", by=by)
    except rollback.CannotRollBackError as error:
        raise CannotMakeRunoutError(f"{organization.entity_id}: {error}") from error
    return made


def roll_back_with_source(source: RosterFile, by: Actor) -> None:
    """Roll back the runout roster that was made from a roster, which is rolled back."""
    rosters = RosterFile.objects.for_organization(source.organization).published().newest_first()
    for made in rosters.filter(kind=RosterFile.Kind.RUNOUT, sha256=_sha256_made_from(source)):
        if rollback.can_be_rolled_back(made):
            rollback.roll_back(made, reason="The roster that it was made from was rolled back.", by=by)


MADE_FROM_IT = rollback.Consequence("the rollback of the runout roster that was made from it", roll_back_with_source)


def _sha256_made_from(source: RosterFile) -> str:
    return hashlib.sha256(f"{_MADE_FROM}{source.sha256}".encode()).hexdigest()


def _runouts(organization: Organization, year: int) -> RosterFileQuerySet:
    rosters = RosterFile.objects.for_organization(organization).published().newest_first()
    return rosters.filter(kind=RosterFile.Kind.RUNOUT, performance_year=year)
