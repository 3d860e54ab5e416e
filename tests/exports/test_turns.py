"""Whose turn it is: organizations take turns, and what is soon done does not wait for what takes long."""

import datetime as dt
import uuid

import pytest
from django.db.models.functions import Now

from exports import kickoff, tasks
from exports.models import Job, Shard
from exports.pipeline import plan, turns
from tests.exports.store import load, patient

pytestmark = pytest.mark.django_db


@pytest.fixture
def planned(world, settings):
    """Plans a job of an organization, of so many shards."""
    settings.EXPORT_FILE_BYTES = 1
    settings.EXPORT_WORKERS_PER_ORGANIZATION = 2

    def planned(organization, shards: int, *, since=None) -> Job:
        mbis = world.beneficiaries(shards)
        world.roster(organization, mbis)
        load({mbi: [patient(mbi)] for mbi in mbis})
        job = kickoff.kick_off(
            organization=organization,
            version=2,
            scope=Job.Scope.PATIENT,
            resource_types=["Patient"],
            since=since,
            request_url="http://testserver/api/v2/Patient/$export",
        )
        plan.plan(job.pk)
        return job

    return planned


def take() -> Job | None:
    shard = turns.take_next(uuid.uuid4())
    return shard.job if shard else None


def test_a_small_job_is_not_stuck_behind_the_huge_one_of_another_organization(world, planned):
    huge = planned(world.mesa, 50)
    assert take() == huge

    small = planned(world.harbor, 1)

    assert take() == small


def test_a_small_job_goes_before_a_huge_one_of_the_same_organization(world, planned):
    planned(world.harbor, 50)
    small = planned(world.harbor, 2)

    assert [take(), take()] == [small, small]


def test_a_huge_job_does_not_wait_for_ever(world, planned):
    huge = planned(world.harbor, 50)
    planned(world.harbor, 2)
    Job.objects.filter(pk=huge.pk).update(created_at=Now() - Job.PATIENCE - dt.timedelta(seconds=1))

    assert take() == huge


def test_no_organization_has_more_workers_than_it_may(world, planned):
    planned(world.harbor, 5)
    planned(world.harbor, 5)

    assert [take() is not None for _ in range(3)] == [True, True, False]


def test_a_worker_that_died_does_not_count(world, planned):
    planned(world.harbor, 5)
    take(), take()
    Shard.objects.filter(status=Shard.Status.WRITING).update(lease_until=Now() - dt.timedelta(seconds=1))

    assert take() is not None


def test_as_many_workers_are_called_as_may_write(world, planned):
    planned(world.harbor, 5)

    first = turns.call(world.harbor.pk)
    again = turns.call(world.harbor.pk)
    take()
    once_taken = turns.call(world.harbor.pk)

    # Of the two that were called, one has come.
    assert (first, again, once_taken) == (2, 0, 0)


def test_a_call_that_was_not_heard_is_made_again(world, planned, settings):
    planned(world.harbor, 5)
    turns.call(world.harbor.pk)
    Shard.objects.exclude(sent_at=None).update(sent_at=Now() - settings.EXPORT_MESSAGE_PATIENCE * 2)

    assert turns.call(world.harbor.pk) == 2


def test_workers_are_called_while_there_is_work(world, planned, monkeypatch):
    called = []
    monkeypatch.setattr(tasks.write, "delay", lambda: called.append(1))
    job = planned(world.harbor, 7)
    tasks.call_writers(world.harbor.pk)

    while called:
        called.pop()
        tasks.write()

    job.refresh_from_db()
    assert job.status == Job.Status.COMPLETED


def test_nobody_is_called_for_an_organization_that_has_nothing_to_write(world, planned):
    planned(world.harbor, 2)

    assert turns.call(world.mesa.pk) == 0
