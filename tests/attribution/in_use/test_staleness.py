"""Which roster is in use at the turn of the year and after many days, by the settings of its program."""

import datetime as dt

import pytest
from django.utils import timezone

from attribution import cohorts, staleness
from attribution.models import RosterFile
from credentials.models import Organization
from tests.world import World

DECEMBER, JANUARY = dt.datetime(2026, 12, 20, tzinfo=dt.UTC), dt.datetime(2027, 1, 10, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
CURRENT, RUNOUT = RosterFile.Kind.CURRENT, RosterFile.Kind.RUNOUT


@pytest.fixture(autouse=True)
def rules(settings):
    """Sets the rule on years, at first for all programs to that of BCDA, as are the ages."""

    def set_years(**rules: str) -> None:
        settings.ROSTER_YEARS = {"*": "strict", **rules}

    settings.ROSTER_DAYS, settings.RUNOUT_DAYS = 50, 180
    set_years()
    return set_years


@pytest.fixture
def clock(monkeypatch):
    """Sets the time for everything that asks Django for it."""
    return lambda moment: monkeypatch.setattr(timezone, "now", lambda: moment)


def roster(organization: Organization, year: int, made_at: dt.datetime, kind: str = CURRENT, **facts) -> RosterFile:
    return RosterFile.objects.create(
        organization=organization,
        kind=kind,
        status=RosterFile.Status.PUBLISHED,
        file_name=f"{kind} {year} {made_at}",
        performance_year=year,
        file_timestamp=made_at,
        **{"published_at": made_at, **facts},
    )


# What is in use, by the rule on years: of last year's roster from December, this year's from January, and next year's.
@pytest.mark.parametrize(
    "case",  # rule, performance years, now, which is in use
    [
        ("strict", [2026], DECEMBER, 2026),
        ("strict", [2026], JANUARY, None),
        ("strict", [2026, 2027], JANUARY, 2027),
        ("strict", [2026, 2027], DECEMBER, 2026),
        ("strict", [2027], DECEMBER, None),
        ("last-year", [2026], DECEMBER, 2026),
        ("last-year", [2026], JANUARY, 2026),
        ("last-year", [2026, 2027], JANUARY, 2027),
        ("last-year", [2026, 2027], DECEMBER, 2026),
        ("last-year", [2025], JANUARY, None),
        ("any", [2020], JANUARY, 2020),
        ("any", [2026, 2027], DECEMBER, 2026),
    ],
)
def test_the_performance_year_of_the_roster_in_use(world: World, rules, clock, case) -> None:
    rule, years, now, in_use = case
    rules(SSP=rule)
    clock(now)
    for year in years:
        roster(world.harbor, year, now - 5 * DAY)

    found = cohorts.exported_roster(world.harbor)
    assert (found and found.performance_year) == in_use
    assert cohorts.exported_rosters([world.harbor, world.mesa]) == ({world.harbor.pk: found} if found else {})


@pytest.mark.parametrize(
    "case",  # rule, performance year, now, whether it is in use
    [
        ("strict", 2026, JANUARY, True),
        ("strict", 2026, DECEMBER, False),
        ("strict", 2025, DECEMBER, True),
        ("strict", 2025, JANUARY, False),
        ("last-year", 2026, JANUARY, True),
        ("last-year", 2025, JANUARY, False),
        ("any", 2024, JANUARY, True),
        ("any", 2028, JANUARY, False),
    ],
)
def test_a_runout_roster_is_last_years(world: World, rules, clock, case) -> None:
    rule, year, now, is_used = case
    rules(SSP=rule)
    clock(now)
    runout = roster(world.harbor, year, now - 5 * DAY, RUNOUT)

    assert cohorts.exported_roster(world.harbor, RUNOUT) == (runout if is_used else None)
    assert (staleness.problem(runout, world.harbor, now) is None) == is_used


def test_each_program_has_its_rule(world: World, rules, clock) -> None:
    rules(REACH="last-year")
    clock(JANUARY)
    roster(world.harbor, 2026, DECEMBER)
    kept = roster(world.mesa, 2026, DECEMBER)

    assert cohorts.exported_rosters([world.harbor, world.mesa]) == {world.mesa.pk: kept}


@pytest.mark.parametrize("case", [(CURRENT, 2026, 50), (RUNOUT, 2025, 180)])
def test_a_roster_is_used_up_to_so_many_days_and_with_0_for_ever(world: World, settings, clock, case):
    kind, year, days = case
    now = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    found = roster(world.harbor, year, now - days * DAY, kind)

    clock(now)
    assert cohorts.exported_roster(world.harbor, kind) == found
    clock(now + dt.timedelta(seconds=1))
    assert cohorts.exported_roster(world.harbor, kind) is None
    assert f"more than {days} days old" in staleness.problem(found, world.harbor, timezone.now())
    settings.ROSTER_DAYS = settings.RUNOUT_DAYS = 0
    assert cohorts.exported_roster(world.harbor, kind) == found


def test_for_a_limited_organization_the_termination_date_takes_the_place_of_the_age(world: World, clock) -> None:
    now = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    clock(now)
    old = roster(world.harbor, 2026, now - 100 * DAY)
    roster(world.harbor, 2026, now - 10 * DAY)
    world.harbor.status, world.harbor.termination_date = "limited", (now - 60 * DAY).date()

    assert cohorts.exported_roster(world.harbor) == old

    clock(JANUARY)  # but not the place of the year
    assert cohorts.exported_roster(world.harbor) is None


def test_a_roster_for_next_year_comes_into_force_with_the_year(world: World, clock) -> None:
    this_year = roster(world.harbor, 2026, DECEMBER - 10 * DAY)
    next_year = roster(world.harbor, 2027, DECEMBER - 5 * DAY)
    clock(JANUARY)

    assert cohorts.roster_as_of(world.harbor, DECEMBER) == this_year
    assert cohorts.roster_as_of(world.harbor, JANUARY) == next_year
    # Those who are new on it were not on the roster that was in force then, although it had been published.
    cohort = cohorts.ALL.cohort_of(world.harbor, DECEMBER)
    assert (cohort.roster_ids, cohort.earlier_roster_id) == ((next_year.pk,), this_year.pk)
    assert cohort.has_newly_attributed


@pytest.mark.parametrize(
    ("year", "made_at", "now", "words"),
    [
        (2027, DECEMBER, DECEMBER, "It is for 2027, so exports use it from January 1, 2027 on."),
        (2026, DECEMBER, JANUARY, "It is for 2026, which is over, so exports no longer use it."),
        (2026, DECEMBER - 51 * DAY, DECEMBER, "It is more than 50 days old, so exports no longer use it."),
        (2026, DECEMBER, DECEMBER, None),
    ],
)
def test_why_a_roster_is_not_used(world: World, year, made_at, now, words) -> None:
    assert staleness.problem(roster(world.harbor, year, made_at), world.harbor, now) == words
