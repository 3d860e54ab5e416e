"""Nobody is planned behind the many jobs of another."""

import pytest

from exports import tasks
from exports.models import Job
from exports.pipeline import turns
from tests.exports.store import load, patient, start

# The lease of a shard is renewed, and files are given to several workers, over connections of their own.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def waiting(world, broker):
    """A job of an organization that is not planned yet."""

    def waiting(organization) -> Job:
        mbis = world.beneficiaries(1)
        world.roster(organization, mbis)
        load({mbi: [patient(mbi)] for mbi in mbis})
        return start(organization)

    return waiting


def test_nobody_is_planned_behind_the_many_of_another_organization(world, waiting):
    many = [waiting(world.harbor) for _ in range(3)]
    one = waiting(world.mesa)

    tasks.plan(many[0].pk)
    after_one = planned_ones()
    tasks.plan(many[1].pk)

    assert after_one == {many[0].pk}
    assert planned_ones() == {many[0].pk, one.pk, many[1].pk}


def test_a_job_that_cannot_be_planned_holds_up_neither_its_own_organization_nor_another(world, waiting, monkeypatch):
    others = [waiting(world.harbor), waiting(world.harbor)]
    tasks.plan(others[0].pk)
    broken = waiting(world.mesa)
    monkeypatch.setattr(tasks.planning, "_shards", broken_for(broken, tasks.planning._shards))

    tasks.plan(others[1].pk)

    assert planned_ones() == {job.pk for job in others}
    assert turns.to_plan_first() is None, "it would be tried again with every message"


def planned_ones() -> set[int]:
    return set(Job.objects.exclude(planned_at=None).values_list("pk", flat=True))


def broken_for(broken: Job, shards):
    def shards_or_error(job: Job):
        if job == broken:
            raise OSError("a test")
        return shards(job)

    return shards_or_error
