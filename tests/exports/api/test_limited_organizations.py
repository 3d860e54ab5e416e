"""What an organization is given whose participation has ended: its people and their claims up to that day."""

import datetime as dt

import pytest

from credentials.models import Organization
from exports.kickoff import NoRosterError
from exports.models import Job
from tests.exports.store import arrival, exported, load, run, start

pytestmark = pytest.mark.usefixtures("unhurried")

ENDED = dt.date(2026, 3, 31)
BEFORE = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
ON_THE_DAY = dt.datetime(2026, 3, 31, 23, 59, tzinfo=dt.UTC)
AFTER = dt.datetime(2026, 4, 1, 0, 1, tzinfo=dt.UTC)


def claim(number: int, day: dt.date):
    period = {"start": day.isoformat(), "end": day.isoformat()}
    return arrival("ExplanationOfBenefit", f"e-{number}", service_date=day, billablePeriod=period)


@pytest.fixture
def stayed_and_joined(world) -> None:
    """One person before and after the end, one only after it; each with a claim of the last day and one of the next."""
    stayed, joined = world.beneficiaries(2)
    world.roster(world.harbor, [stayed], published_at=BEFORE)
    world.roster(world.harbor, [stayed, joined], published_at=AFTER)
    next_day = ENDED + dt.timedelta(days=1)
    load({stayed: [claim(1, ENDED), claim(2, next_day)], joined: [claim(3, ENDED), claim(4, next_day)]})


def limit(organization: Organization, **strategies: str) -> None:
    Organization.objects.filter(pk=organization.pk).update(status="limited", termination_date=ENDED, **strategies)
    organization.refresh_from_db()


@pytest.mark.parametrize(
    ("attribution", "claims", "ids"),
    [
        ("historical", "historical", ["e-1"]),
        ("historical", "latest", ["e-1", "e-2"]),
        ("latest", "historical", ["e-1", "e-3"]),
        ("latest", "latest", ["e-1", "e-2", "e-3", "e-4"]),
    ],
)
def test_people_and_claims_are_bounded_each_by_its_strategy(world, stayed_and_joined, attribution, claims, ids):
    limit(world.harbor, attribution_strategy=attribution, claims_strategy=claims)

    job = run(start(world.harbor, scope=Job.Scope.GROUP_ALL))

    assert exported(job) == {"ExplanationOfBenefit": ids}


def test_the_roster_of_the_last_day_counts(world, stayed_and_joined):
    limit(world.harbor, attribution_strategy="historical", claims_strategy="historical")
    (late,) = world.beneficiaries(1)
    world.roster(world.harbor, [late], published_at=ON_THE_DAY)
    load({late: [claim(5, ENDED)]})

    assert exported(run(start(world.harbor))) == {"ExplanationOfBenefit": ["e-5"]}


def test_nobody_is_newly_attributed_after_the_end(world, stayed_and_joined):
    limit(world.harbor, attribution_strategy="historical", claims_strategy="latest")
    since = Job.objects.get(pk=run(start(world.harbor)).pk).transaction_time

    job = run(start(world.harbor, scope=Job.Scope.GROUP_ALL, since=since))

    assert exported(job) == {}


def test_without_a_roster_of_the_time_before_the_end_there_is_nothing(world):
    world.roster(world.harbor, world.beneficiaries(1), published_at=AFTER)
    limit(world.harbor, attribution_strategy="historical")

    with pytest.raises(NoRosterError):
        start(world.harbor)

    assert not Job.objects.exists()
