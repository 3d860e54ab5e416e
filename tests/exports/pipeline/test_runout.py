"""Group/runout: those who were attributed last year and are not now, with claims for services up to its end."""

import datetime as dt

import pytest
from django.utils import timezone

from attribution import cohorts
from attribution.models import RosterFile
from credentials.actor import Actor
from exports import kickoff
from exports.kickoff import NoRosterError
from exports.models import Job
from tests.exports.store import EVERYTHING, arrival, exported, load, patient, run

pytestmark = pytest.mark.usefixtures("unhurried")

THIS_YEAR = timezone.localdate().year
LAST_DAY, NEXT_DAY = dt.date(THIS_YEAR - 1, 12, 31), dt.date(THIS_YEAR, 1, 1)


def claims(mbi: str) -> list:
    """A Patient, a claim of the last day of last year, one of the next day, and one across both."""
    days = {"last": (LAST_DAY, LAST_DAY), "next": (NEXT_DAY, NEXT_DAY), "across": (LAST_DAY, NEXT_DAY)}
    return [
        patient(mbi),
        *(
            arrival(
                "ExplanationOfBenefit",
                f"{which}-{mbi}",
                service_date=last,
                billablePeriod={"start": first.isoformat(), "end": last.isoformat()},
            )
            for which, (first, last) in days.items()
        ),
    ]


@pytest.fixture
def people(world) -> list[str]:
    """The first left, the second stayed; both are on the runout roster. The third joined this year."""
    mbis = world.beneficiaries(3)
    load({mbi: claims(mbi) for mbi in mbis})
    return mbis


def runout(world, mbis, **facts) -> RosterFile:
    made = world.roster(world.harbor, mbis)
    RosterFile.objects.filter(pk=made.pk).update(
        kind=RosterFile.Kind.RUNOUT, **{"performance_year": THIS_YEAR - 1, **facts}
    )
    return made


def start_runout(organization, since: dt.datetime | None = None) -> Job:
    return kickoff.kick_off(
        organization=organization,
        version=2,
        scope=Job.Scope.GROUP_ALL,
        rule=cohorts.RUNOUT,
        resource_types=EVERYTHING,
        since=since,
        request_url="http://testserver/api/v2/Group/runout/$export",
        by=Actor(),
    )


def test_those_who_left_come_with_claims_up_to_the_end_of_the_year(world, people):
    left, stayed, joined = people
    runout(world, [left, stayed])
    world.roster(world.harbor, [stayed, joined])

    job = run(start_runout(world.harbor))

    assert exported(job) == {"Patient": [f"p-{left}"], "ExplanationOfBenefit": [f"last-{left}"]}
    assert (job.endpoint, job.claims_through_date) == ("Group/runout", LAST_DAY)


def test_without_a_current_roster_nothing_is_subtracted(world, people):
    left, stayed, _ = people
    runout(world, [left, stayed])

    assert exported(run(start_runout(world.harbor)))["Patient"] == [f"p-{left}", f"p-{stayed}"]


def test_a_current_roster_that_exports_cannot_use_subtracts_nobody(world, people, settings):
    left, stayed, joined = people
    runout(world, [left, stayed])
    stale = world.roster(world.harbor, [stayed, joined])
    RosterFile.objects.filter(pk=stale.pk).update(file_timestamp=timezone.now() - dt.timedelta(days=51))
    settings.ROSTER_DAYS = 50

    assert exported(run(start_runout(world.harbor)))["Patient"] == [f"p-{left}", f"p-{stayed}"]


def test_nobody_who_left_is_an_export_without_resources(world, people):
    runout(world, people[1:])
    world.roster(world.harbor, people[1:])

    job = run(start_runout(world.harbor))

    assert (job.status, exported(job)) == (Job.Status.COMPLETED, {})


def test_with_since_all_get_what_changed_alone(world, people):
    left, stayed, _ = people
    runout(world, [left, stayed])
    since = Job.objects.get(pk=run(start_runout(world.harbor)).pk).transaction_time
    load({stayed: [patient(stayed, note="newer")]})

    job = run(start_runout(world.harbor, since))

    assert exported(job) == {"Patient": [f"p-{stayed}"]}
    assert not job.has_newly_attributed


@pytest.mark.parametrize(
    ("ended", "claims", "through"),
    [
        (LAST_DAY - dt.timedelta(days=90), "historical", LAST_DAY - dt.timedelta(days=90)),
        (LAST_DAY - dt.timedelta(days=90), "latest", LAST_DAY),
        (timezone.localdate(), "historical", LAST_DAY),
    ],
)
def test_of_a_limited_organization_the_earlier_day_counts(world, people, ended, claims, through):
    runout(world, people)
    organization = world.harbor
    organization.status, organization.termination_date = "limited", ended
    organization.attribution_strategy, organization.claims_strategy = "latest", claims
    organization.save()

    assert start_runout(organization).claims_through_date == through


def test_without_a_runout_roster_there_is_no_export(world, people):
    world.roster(world.harbor, people)

    with pytest.raises(NoRosterError):
        start_runout(world.harbor)

    assert not Job.objects.exists()


def test_another_organizations_runout_roster_is_not_ours(world, people):
    made = runout(world, people)
    RosterFile.objects.filter(pk=made.pk).update(organization=world.mesa)

    with pytest.raises(NoRosterError):
        start_runout(world.harbor)
