import datetime as dt

from attribution.cohorts import current_roster, roster_as_of, roster_before
from attribution.models import RosterFile
from credentials.models import Organization
from tests.world import World

NOON = dt.datetime(2026, 11, 2, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def roster(organization: Organization, *, year: int = 2026, month: int = 10, published_at=NOON, **facts) -> RosterFile:
    made_at = dt.datetime(2026, month, 1, tzinfo=dt.UTC)
    return RosterFile.objects.create(
        organization=organization,
        **{
            "kind": RosterFile.Kind.CURRENT,
            "status": RosterFile.Status.PUBLISHED,
            "file_name": f"roster {RosterFile.objects.count()}",
            "performance_year": year,
            "file_timestamp": made_at,
            "published_at": published_at,
            **facts,
        },
    )


def test_without_a_roster_there_is_none(world: World) -> None:
    assert current_roster(world.harbor) is None
    assert roster_as_of(world.harbor, NOON) is None


def test_the_newest_performance_year_counts_then_the_newest_file_then_the_last_to_arrive(world: World) -> None:
    roster(world.harbor, year=2025, month=12)
    roster(world.harbor, year=2026, month=9)
    roster(world.harbor, year=2026, month=10)
    last = roster(world.harbor, year=2026, month=10)
    roster(world.harbor, year=2026, month=8)

    assert current_roster(world.harbor) == last


def test_refused_rosters_runouts_and_strangers_do_not_count(world: World) -> None:
    ours = roster(world.harbor, month=1)
    roster(world.harbor, month=11, status=RosterFile.Status.REFUSED, published_at=None)
    runout = roster(world.harbor, month=11, kind=RosterFile.Kind.RUNOUT)
    theirs = roster(world.mesa, month=11)

    assert current_roster(world.harbor) == roster_as_of(world.harbor, NOON) == ours
    assert current_roster(world.harbor, RosterFile.Kind.RUNOUT) == runout
    assert current_roster(world.mesa) == roster_as_of(world.mesa, NOON) == theirs
    assert current_roster(world.mesa, RosterFile.Kind.RUNOUT) is None
    assert roster_before(theirs) is None


def test_the_roster_of_a_moment_is_the_newest_that_was_published_by_then(world: World) -> None:
    september = roster(world.harbor, month=9, published_at=NOON - 2 * HOUR)
    october = roster(world.harbor, month=10, published_at=NOON)

    assert roster_as_of(world.harbor, NOON - 3 * HOUR) is None
    assert roster_as_of(world.harbor, NOON - HOUR) == september
    assert roster_as_of(world.harbor, NOON) == october


def test_an_older_file_that_is_published_later_does_not_come_into_force(world: World) -> None:
    october = roster(world.harbor, month=10, published_at=NOON - HOUR)
    roster(world.harbor, month=9, published_at=NOON)

    assert roster_as_of(world.harbor, NOON + HOUR) == current_roster(world.harbor) == october


def test_the_roster_before_is_the_one_before_in_the_order_of_the_files(world: World) -> None:
    october = roster(world.harbor, month=10)
    september = roster(world.harbor, month=9)
    december = roster(world.harbor, month=12, year=2025)
    roster(world.harbor, month=11, kind=RosterFile.Kind.RUNOUT)
    twin = roster(world.harbor, month=10)

    assert roster_before(twin) == october
    assert roster_before(october) == september
    assert roster_before(september) == december
    assert roster_before(december) is None


def test_finding_a_roster_takes_one_query(world: World, django_assert_num_queries) -> None:
    roster(world.harbor)

    with django_assert_num_queries(1):
        current_roster(world.harbor)
    with django_assert_num_queries(1):
        roster_as_of(world.harbor, NOON)
