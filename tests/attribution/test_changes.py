import pytest

from attribution import changes
from attribution.changes import Change
from attribution.loading import load_roster
from credentials.actor import Actor
from tests.attribution.archives import MBIS, NAME, archive
from tests.world import World

OCTOBER = "P.BCD.A9994.ZCY26.D261001.T1000000"


def test_a_change_is_counted_and_told_in_percent_of_the_earlier_roster() -> None:
    change = Change(joined=3, left=1, unchanged=9)

    assert (change.earlier_count, change.later_count) == (10, 12)
    assert change.joined_percent == pytest.approx(30)
    assert change.left_percent == pytest.approx(10)
    assert change.growth_percent == pytest.approx(20)
    assert change.swing_percent == pytest.approx(40)


def test_the_first_roster_has_nothing_to_be_a_percentage_of() -> None:
    change = Change(joined=3, left=0, unchanged=0)

    assert change.earlier_count == 0
    assert change.joined_percent is change.left_percent is change.growth_percent is change.swing_percent is None


def test_what_was_recorded_is_what_is_counted_anew(world: World) -> None:
    october = load_roster(archive(OCTOBER, MBIS[:4]), file_name=OCTOBER, by=Actor())
    november = load_roster(archive(NAME, MBIS[1:7]), file_name=NAME, by=Actor())

    assert changes.between(None, october) == changes.recorded(october) == Change(joined=4, left=0, unchanged=0)
    assert changes.between(october, november) == changes.recorded(november) == Change(joined=3, left=1, unchanged=3)


def test_reading_what_was_recorded_asks_nothing_of_the_database(world: World, django_assert_num_queries) -> None:
    roster = load_roster(archive(), file_name=NAME, by=Actor())

    with django_assert_num_queries(0):
        changes.recorded(roster)
