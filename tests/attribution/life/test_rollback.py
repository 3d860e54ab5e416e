"""A roster that was published by mistake is rolled back, and everything is as before; the trail keeps both."""

import pytest
from django.db import IntegrityError, transaction

from attribution import cohorts
from attribution.loading import CannotRollBackError, can_be_rolled_back, intervals, load_roster, roll_back, rollback
from attribution.models import RosterEntry, RosterFile
from credentials.actor import Actor
from credentials.models import AuditEvent
from credentials.trail.audit import Action
from tests.attribution.archives import MBIS, NAME, archive
from tests.world import World

OCTOBER = "P.BCD.A9994.ZCY26.D261001.T1000000"
RUNOUT = "P.BCD.A9994.ZCR25.D261101.T1000000"


def publish(name: str, mbis: tuple[str, ...]) -> RosterFile:
    roster = load_roster(archive(name, mbis), file_name=name, by=Actor())
    assert roster.status == RosterFile.Status.PUBLISHED
    return roster


@pytest.fixture
def rosters(world: World) -> tuple[RosterFile, RosterFile]:
    """A good one of October, and a wrong one of November."""
    return publish(OCTOBER, MBIS[:6]), publish(NAME, MBIS[5:9])


def test_the_roster_before_is_in_force_again_and_the_trail_keeps_both(world: World, rosters) -> None:
    good, wrong = rosters

    restored = roll_back(wrong, reason="Another month’s file.", by=Actor(user=world.colleague))

    assert restored == good == cohorts.current_roster(world.harbor) == cohorts.exported_roster(world.harbor)
    assert (wrong.status, wrong.rolled_back_by) == ("rolledback", world.colleague)
    assert wrong.published_at < wrong.rolled_back_at
    assert wrong.entries.count() == 4
    event = AuditEvent.objects.get(action=Action.ROSTER_ROLLED_BACK)
    assert (event.organization, event.user) == (world.harbor, world.colleague)
    assert event.detail == {
        "roster": wrong.pk,
        "file_name": NAME,
        "reason": "Another month’s file.",
        "roster_in_force": good.pk,
    }
    assert AuditEvent.objects.filter(action=Action.ROSTER_PUBLISHED).count() == 2


def test_who_was_in_force_at_a_time_does_not_change_later(world: World, rosters) -> None:
    good, wrong = rosters

    roll_back(wrong, reason="Wrong.", by=Actor())

    assert cohorts.roster_as_of(world.harbor, good.published_at) == good
    assert cohorts.roster_as_of(world.harbor, wrong.published_at) == wrong
    assert cohorts.roster_as_of(world.harbor, wrong.rolled_back_at) == good
    assert intervals.in_force(good, good.published_at) == (good.published_at, wrong.published_at)
    assert intervals.in_force(wrong, wrong.rolled_back_at) == (wrong.published_at, wrong.rolled_back_at)
    assert intervals.in_force(good, wrong.rolled_back_at) == (wrong.rolled_back_at, None)


def test_nobody_is_newly_attributed_who_was_there_before(world: World, rosters) -> None:
    good, wrong = rosters

    roll_back(wrong, reason="Wrong.", by=Actor())

    before, meanwhile, after = (
        cohorts.ALL.decide(world.harbor, since)
        for since in (good.published_at, wrong.published_at, wrong.rolled_back_at)
    )
    assert before == after == cohorts.on_roster(good)
    assert meanwhile.has_newly_attributed
    assert meanwhile.earlier_roster_id == wrong.pk


def test_the_same_file_can_be_published_again(world: World, rosters) -> None:
    good, wrong = rosters
    roll_back(wrong, reason="Too early.", by=Actor())

    again = publish(NAME, MBIS[5:9])

    assert again != wrong
    assert cohorts.current_roster(world.harbor) == again
    assert (again.joined_count, again.left_count) == (3, 5)
    assert cohorts.roster_before(again) == good


def test_it_is_rolled_back_once(world: World, rosters) -> None:
    _, wrong = rosters
    roll_back(wrong, reason="Wrong.", by=Actor())

    with pytest.raises(CannotRollBackError, match="already rolled back"):
        roll_back(wrong, reason="Wrong.", by=Actor())

    assert AuditEvent.objects.filter(action=Action.ROSTER_ROLLED_BACK).count() == 1


def test_only_the_roster_in_force_is_rolled_back(world: World, rosters) -> None:
    good, wrong = rosters

    with pytest.raises(CannotRollBackError, match="isn’t in force"):
        roll_back(good, reason="Old.", by=Actor())

    assert [can_be_rolled_back(each) for each in rosters] == [False, True]
    assert cohorts.current_roster(world.harbor) == wrong
    assert not AuditEvent.objects.filter(action=Action.ROSTER_ROLLED_BACK).exists()


def test_a_runout_roster_is_rolled_back_and_the_current_one_stays(world: World, rosters) -> None:
    runout = publish(RUNOUT, MBIS[:2])

    assert roll_back(runout, reason="Wrong.", by=Actor()) is None

    assert cohorts.current_roster(world.harbor) == rosters[1]
    assert cohorts.current_roster(world.harbor, RosterFile.Kind.RUNOUT) is None


def test_the_first_roster_can_be_rolled_back_too(world: World) -> None:
    only = publish(NAME, MBIS[:3])

    assert roll_back(only, reason="Wrong.", by=Actor()) is None

    assert cohorts.ALL.decide(world.harbor, None) is None
    assert RosterEntry.objects.count() == 3


def test_when_a_consequence_fails_nothing_is_rolled_back(world: World, rosters, monkeypatch) -> None:
    def fail(roster: RosterFile, by: Actor) -> None:
        raise RuntimeError("out of order")

    monkeypatch.setattr(rollback, "CONSEQUENCES", [rollback.Consequence("a fault", fail)])

    with pytest.raises(RuntimeError, match="out of order"), transaction.atomic():
        roll_back(rosters[1], reason="Wrong.", by=Actor())

    assert cohorts.current_roster(world.harbor) == rosters[1]
    assert not AuditEvent.objects.filter(action=Action.ROSTER_ROLLED_BACK).exists()


@pytest.mark.parametrize("missing", ["published_at", "rolled_back_at"])
def test_the_database_wants_both_times(world: World, rosters, missing: str) -> None:
    roll_back(rosters[1], reason="Wrong.", by=Actor())

    with pytest.raises(IntegrityError, match="has_time"), transaction.atomic():
        RosterFile.objects.filter(pk=rosters[1].pk).update(**{missing: None})


def test_the_roster_after_it_is_the_one_that_exports_can_use(world: World, settings) -> None:
    settings.ROSTER_DAYS = 50
    publish("P.BCD.A9994.ZCY26.D260901.T1000000", MBIS[:6])
    wrong = publish(NAME, MBIS[5:9])

    promised = rollback.roster_after_rollback(wrong)

    assert promised == roll_back(wrong, reason="Wrong.", by=Actor())
    assert promised is None
