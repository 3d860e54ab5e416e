"""An operator makes last year's runout roster from the last roster of that year in one act, and rolls it back."""

import datetime as dt

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from attribution import cohorts
from attribution.loading import CannotMakeRunoutError, make_runout, roll_back, undo_runout
from attribution.models import RosterEntry, RosterFile
from credentials.actor import Actor
from credentials.models import AuditEvent
from credentials.trail.audit import Action
from tests.credentials.at_once import at_once
from tests.world import World

LAST_YEAR = timezone.localdate().year - 1
DECEMBER = dt.datetime(LAST_YEAR, 12, 15, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
RUNOUT = RosterFile.Kind.RUNOUT


@pytest.fixture
def people(world: World) -> list[str]:
    """Three are on last year's last roster, and one of them and another on this year's."""
    mbis = world.beneficiaries(4)
    world.roster(world.harbor, mbis[:1], published_at=DECEMBER - 30 * DAY)
    world.roster(world.harbor, mbis[:3], published_at=DECEMBER)
    world.roster(world.harbor, mbis[2:])
    return mbis


def mbis_of(cohort) -> list[str]:
    return sorted(cohort.beneficiaries().values_list("mbis__value", flat=True))


def test_it_has_those_of_the_last_roster_of_the_year(world: World, people) -> None:
    made = make_runout(world.harbor, by=Actor(user=world.operator))

    assert (made.kind, made.status, made.performance_year) == (RUNOUT, "published", LAST_YEAR)
    assert (made.file_timestamp, made.beneficiary_count) == (DECEMBER, 3)
    cohort = cohorts.RUNOUT.cohort_of(world.harbor, None)
    assert mbis_of(cohort) == people[:2]
    assert cohort.claims_through_date == dt.date(LAST_YEAR, 12, 31)
    event = AuditEvent.objects.get(action=Action.ROSTER_PUBLISHED)
    source = RosterFile.objects.get(file_timestamp=DECEMBER, kind="current")
    assert (event.user, event.detail["made_from"]) == (world.operator, source.pk)
    assert cohorts.exported_roster(world.harbor).kind == "current"


def test_it_is_undone_and_can_be_made_again(world: World, people) -> None:
    made = make_runout(world.harbor, by=Actor())

    undo_runout(world.harbor, by=Actor(user=world.operator))

    assert cohorts.RUNOUT.cohort_of(world.harbor, None) is None
    made.refresh_from_db()
    assert made.status == RosterFile.Status.ROLLED_BACK
    assert AuditEvent.objects.get(action=Action.ROSTER_ROLLED_BACK).user == world.operator
    assert make_runout(world.harbor, by=Actor()).pk != made.pk
    assert mbis_of(cohorts.RUNOUT.cohort_of(world.harbor, None)) == people[:2]


def test_one_of_cms_is_neither_replaced_nor_undone(world: World, people) -> None:
    from_cms = world.roster(world.harbor, people[:2])
    RosterFile.objects.filter(pk=from_cms.pk).update(kind=RUNOUT, performance_year=LAST_YEAR)

    with pytest.raises(CannotMakeRunoutError, match="already has a runout roster"):
        make_runout(world.harbor, by=Actor())
    with pytest.raises(CannotMakeRunoutError, match="that was made here"):
        undo_runout(world.harbor, by=Actor())

    assert cohorts.exported_roster(world.harbor, RUNOUT) == from_cms


def test_without_a_roster_of_last_year_there_is_nothing_to_make_it_from(world: World) -> None:
    world.roster(world.harbor, world.beneficiaries(1))
    world.roster(world.mesa, world.beneficiaries(1), published_at=DECEMBER)

    with pytest.raises(CannotMakeRunoutError, match=f"A9994 has no roster for {LAST_YEAR}"):
        make_runout(world.harbor, by=Actor())

    assert not RosterFile.objects.filter(kind=RUNOUT).exists()


def test_a_rolled_back_roster_is_not_the_last_one(world: World, people) -> None:
    RosterFile.objects.filter(file_timestamp=DECEMBER).update(status="rolledback", rolled_back_at=timezone.now())

    assert make_runout(world.harbor, by=Actor()).beneficiary_count == 1


@pytest.mark.django_db(transaction=True)
def test_of_several_at_once_one_makes_it(world: World, people) -> None:
    answers = at_once(lambda _number: make_runout(world.harbor, by=Actor()))

    assert sum(isinstance(each, RosterFile) for each in answers) == 1
    assert RosterFile.objects.filter(kind=RUNOUT).count() == 1
    assert RosterEntry.objects.filter(roster__kind=RUNOUT).count() == 3


def test_the_command_names_those_for_whom_it_is_not_possible(world: World, people, capsys) -> None:
    by = world.operator.email
    with pytest.raises(CommandError, match=r"1 of 2 not done"):
        call_command("make_runout", for_all=True, by=by)
    said = capsys.readouterr()
    assert "A9994: Runout made from" in said.out
    assert "D9990 has no roster" in said.err

    call_command("make_runout", "A9994", undo=True, by=by)

    assert cohorts.exported_roster(world.harbor, RUNOUT) is None
    for wrong in ({}, {"entity_ids": ["A9994"], "for_all": True}):
        with pytest.raises(CommandError, match="Name the organizations, or use --all"):
            call_command("make_runout", *wrong.pop("entity_ids", ()), by=by, **wrong)


def test_it_is_rolled_back_with_the_roster_that_it_was_made_from(world: World) -> None:
    mbis = world.beneficiaries(2)
    world.roster(world.harbor, mbis[:1], published_at=DECEMBER - 30 * DAY)
    wrong = world.roster(world.harbor, mbis, published_at=DECEMBER)
    made = make_runout(world.harbor, by=Actor())

    roll_back(wrong, reason="Wrong.", by=Actor(user=world.operator))

    made.refresh_from_db()
    assert (made.status, made.rolled_back_by) == (RosterFile.Status.ROLLED_BACK, world.operator)
    assert cohorts.RUNOUT.cohort_of(world.harbor, None) is None
