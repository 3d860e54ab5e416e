"""Who gets what: the rosters that a job has pinned, and who is withheld when its files are written."""

import pytest

from exports.claims.undo import take_back
from exports.models import Chunk, Job, Load, OutputFile, Shard
from exports.pipeline import plan, write
from tests.attribution.consent.files import say
from tests.exports.store import arrival, deleted, exported, load, patient, run, start
from tests.exports.turn import take_and_write

pytestmark = pytest.mark.usefixtures("unhurried")


@pytest.fixture
def people(world) -> list[str]:
    mbis = world.beneficiaries(3)
    world.roster(world.harbor, mbis)
    load({mbi: [patient(mbi)] for mbi in mbis})
    return mbis


def patients(job: Job) -> list[str]:
    return exported(job).get("Patient", [])


def test_several_rosters_minus_another_are_exported_once_each(world, people):
    new, other = world.beneficiaries(2)
    load({mbi: [patient(mbi)] for mbi in (new, other)})
    first, more, less = (world.roster(world.harbor, mbis) for mbis in (people, [people[0], new], [people[1]]))
    job = start(world.harbor)
    Job.objects.filter(pk=job.pk).update(
        roster=first, more_roster_ids=[more.pk], subtracted_roster_ids=[less.pk], cohort_rule="made up"
    )
    job.refresh_from_db()

    assert patients(run(job)) == [f"p-{mbi}" for mbi in (people[0], people[2], new)]
    assert job.cohort.count() == 3


def test_deletions_are_told_of_the_same_people(world, people):
    first = Load.objects.get()
    wrong = load({mbi: [arrival("ExplanationOfBenefit", f"e-{mbi}")] for mbi in people})
    take_back(wrong)
    less = world.roster(world.mesa, [people[1]])
    job = start(world.harbor, since=first.loaded_at)
    Job.objects.filter(pk=job.pk).update(subtracted_roster_ids=[less.pk])
    job.refresh_from_db()

    assert deleted(run(job)) == {
        "ExplanationOfBenefit": [[f"ExplanationOfBenefit/e-{mbi}"] for mbi in (people[0], people[2])]
    }


@pytest.mark.parametrize("since_first", [False, True])
def test_whoever_is_withheld_since_the_planning_is_left_out_and_nothing_counts_as_lost(world, people, since_first):
    first = Load.objects.get()
    load({mbi: [patient(mbi, note="newer")] for mbi in people})
    job = start(world.harbor, since=first.loaded_at if since_first else None)
    plan.plan(job.pk)
    say(people[1], "N")

    assert patients(run(job)) == [f"p-{people[0]}", f"p-{people[2]}"]
    assert job.status == Job.Status.COMPLETED


def test_a_chunk_that_is_lost_is_still_found(world, people):
    job = start(world.harbor)
    plan.plan(job.pk)
    say(people[1], "N")
    Chunk.objects.filter(beneficiary__mbis__value=people[2]).delete()

    with pytest.raises(write.IncompleteError):
        take_and_write(job.shards.get().pk)

    assert not OutputFile.objects.exists()


def test_a_file_of_withheld_beneficiaries_alone_is_no_file(world, people):
    job = start(world.harbor)
    plan.plan(job.pk)
    for mbi in people:
        say(mbi, "N")

    assert run(job).status == Job.Status.COMPLETED
    assert (job.files.count(), Shard.objects.get().status) == (0, Shard.Status.WRITTEN)
