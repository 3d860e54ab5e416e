"""Loads can be taken back, and whoever has seen them learns of it."""

import datetime as dt

import pytest
from django.utils import timezone

from exports.claims.undo import CannotTakeBackError, take_back
from exports.kickoff import NothingLoadedError
from exports.models import Chunk, Deletion, Job, Load
from exports.pipeline import plan
from tests.exports.store import arrival, exported, lines, load, patient, run, start
from tests.exports.turn import take_and_write

pytestmark = pytest.mark.usefixtures("unhurried")


def eob(number: int, **more):
    return arrival("ExplanationOfBenefit", f"e-{number}", **more)


def export(world, since=None) -> Job:
    return run(start(world.harbor, since=since))


@pytest.fixture
def mbi(world) -> str:
    (mbi,) = world.beneficiaries(1)
    world.roster(world.harbor, [mbi], published_at=timezone.now() - dt.timedelta(days=1))
    return mbi


def test_what_a_load_replaced_is_remembered_with_its_time(world, mbi):
    load({mbi: [eob(1), eob(2), eob(3)]})

    second = load({mbi: [eob(2), eob(4)]})

    deletion = Deletion.objects.get()
    assert (deletion.load, deletion.is_replaced, deletion.resource_ids) == (second, True, ["e-2"])


def test_a_load_that_was_taken_back_leaves_what_was_there_before(world, mbi):
    load({mbi: [patient(mbi, name="right"), eob(1), eob(2)]})
    before = export(world)
    wrong = load({mbi: [patient(mbi, name="wrong"), eob(2, wrong=True), eob(3)]})

    take_back(wrong)

    assert sorted(lines(export(world))) == sorted(lines(before))


def test_whoever_saw_the_wrong_load_gets_the_right_resources_again(world, mbi):
    load({mbi: [eob(1), eob(2)]})
    wrong = load({mbi: [eob(2, wrong=True), eob(3)]})
    seen = export(world)

    undoing = take_back(wrong)
    after = export(world, since=seen.transaction_time)

    assert exported(after) == {"ExplanationOfBenefit": ["e-2"]}
    assert not any(b"wrong" in line for line in lines(after))
    gone = Deletion.objects.get(load=undoing, is_replaced=False)
    assert gone.resource_ids == ["e-3"]


def test_an_export_that_goes_by_the_wrong_load_is_not_disturbed(world, mbi):
    load({mbi: [eob(1), eob(2)]})
    wrong = load({mbi: [eob(2, wrong=True), eob(3)]})
    before = export(world)
    job = start(world.harbor)
    plan.plan(job.pk)

    take_back(wrong)
    for shard in job.shards.all():
        take_and_write(shard.pk)

    assert lines(job) == lines(before)


def test_loads_are_taken_back_from_the_last_on(world, mbi):
    first, second, third = (load({mbi: [eob(1, load=number), eob(number)]}) for number in (11, 12, 13))

    with pytest.raises(CannotTakeBackError, match=f"Load {third.pk} came after"):
        take_back(second)
    for each in (third, second, first):
        take_back(each)

    with pytest.raises(NothingLoadedError):
        export(world)


def test_a_load_is_taken_back_once(world, mbi):
    wrong = load({mbi: [eob(1)]})
    undoing = take_back(wrong)

    with pytest.raises(CannotTakeBackError, match="already reverted"):
        take_back(wrong)
    with pytest.raises(CannotTakeBackError, match="Load those claims again"):
        take_back(undoing)

    assert Load.objects.count() == 2


def test_the_same_claims_can_be_loaded_again(world, mbi):
    take_back(load({mbi: [eob(1), eob(2)]}))

    load({mbi: [eob(1), eob(2)]})

    assert exported(export(world)) == {"ExplanationOfBenefit": ["e-1", "e-2"]}


def test_a_load_that_was_merged_cannot_be_taken_back(world, mbi):
    merged = load({mbi: [eob(1)]})
    Load.objects.update(closed_at=timezone.now())

    with pytest.raises(CannotTakeBackError, match="merged with older loads"):
        take_back(merged)

    assert Chunk.objects.filter(superseded_by=None).exists()
