"""The steps of an export, each run as a worker would, and each run twice, late or not at all."""

import datetime as dt
import uuid
from pathlib import Path
from unittest.mock import Mock

import pytest
from django.db.models.functions import Now

from attribution.models import Mbi
from credentials.actor import Actor
from exports import kickoff, storage
from exports.models import Job, OutputFile, Shard
from exports.pipeline import expire, finish, leases, plan, recover, turns, write
from tests.exports.pipeline.steps.job import files_of
from tests.exports.store import exported
from tests.exports.turn import take_and_write

pytestmark = pytest.mark.usefixtures("unhurried")


def test_planning_twice_plans_once(harbor_job):
    assert plan.plan(harbor_job.pk) is True
    shards = list(Shard.objects.values_list("pk", "file_name"))

    assert plan.plan(harbor_job.pk) is False
    assert list(Shard.objects.values_list("pk", "file_name")) == shards


def test_writing_twice_writes_once(harbor_job):
    plan.plan(harbor_job.pk)
    shard = harbor_job.shards.first()

    assert take_and_write(shard.pk) == harbor_job
    assert take_and_write(shard.pk) is None
    assert OutputFile.objects.filter(shard=shard).count() == 1


def test_a_shard_that_someone_else_writes_is_left_to_him(harbor_job, settings):
    plan.plan(harbor_job.pk)
    shard = harbor_job.shards.first()
    leases.take(shard, holder=uuid.uuid4(), lease=settings.EXPORT_LEASE)

    assert take_and_write(shard.pk) is None
    assert not OutputFile.objects.exists()


def test_a_shard_whose_lease_ran_out_is_taken_over(harbor_job):
    plan.plan(harbor_job.pk)
    shard = harbor_job.shards.first()
    leases.take(shard, holder=uuid.uuid4(), lease=dt.timedelta(seconds=-1))

    assert take_and_write(shard.pk) == harbor_job
    shard.refresh_from_db()
    assert (shard.status, shard.attempts) == (Shard.Status.WRITTEN, 2)


def test_a_job_is_finished_by_one_caller_and_only_when_all_is_written(harbor_job):
    plan.plan(harbor_job.pk)
    first, second = harbor_job.shards.all()
    harbor_job.refresh_from_db()

    take_and_write(first.pk)
    too_early = finish.finish(harbor_job)
    take_and_write(second.pk)
    finished = [finish.finish(Job.objects.get(pk=harbor_job.pk)) for _ in range(3)]

    assert too_early is False
    assert finished == [True, False, False]


def test_a_job_that_takes_too_long_fails_with_the_reason(harbor_job, settings):
    Job.objects.update(created_at=Now() - settings.EXPORT_DEADLINE - dt.timedelta(seconds=1))

    recovered = recover.recover()

    harbor_job.refresh_from_db()
    assert recovered == recover.Recovered([], [])
    assert harbor_job.status == Job.Status.FAILED
    assert "1 day" in harbor_job.failure


@pytest.mark.parametrize("loss", [Path.unlink, lambda path: path.write_bytes(b"half")], ids=["gone", "cut short"])
def test_a_file_that_was_lost_before_the_job_is_finished_is_written_again(harbor_job, loss):
    plan.plan(harbor_job.pk)
    for shard in harbor_job.shards.all():
        take_and_write(shard.pk)
    loss(files_of(harbor_job)[0])
    harbor_job.refresh_from_db()

    too_early = finish.finish(harbor_job)
    holder = uuid.uuid4()
    again = write.write(turns.take_next(holder), holder)
    finished = finish.finish(harbor_job)

    assert (too_early, again, finished) == (False, harbor_job, True)
    assert exported(harbor_job) == {
        "Patient": [f"p-{mbi}" for mbi in _mbis(harbor_job)],
        "ExplanationOfBenefit": ["e-0", "e-1", "e-2"],
    }


def test_what_differs_from_the_plan_is_thrown_away_and_can_be_written_again(harbor_job, monkeypatch):
    plan.plan(harbor_job.pk)
    shard = harbor_job.shards.first()
    Shard.objects.filter(pk=shard.pk).update(resource_count=99)

    with pytest.raises(write.IncompleteError):
        take_and_write(shard.pk)

    shard.refresh_from_db()
    assert (shard.status, shard.lease_holder) == (Shard.Status.WAITING, None)
    assert "IncompleteError" in shard.last_error
    assert not OutputFile.objects.exists()
    assert files_of(harbor_job) == []


def test_a_cancelled_job_leaves_no_file_and_is_not_taken_up_again(world, harbor_job, monkeypatch):
    plan.plan(harbor_job.pk)
    first, second = harbor_job.shards.all()
    take_and_write(first.pk)
    real = storage.writing

    def cancelled_while_writing(job_id, name):
        kickoff.cancel(Job.objects.get(pk=harbor_job.pk), by=Actor(user=world.delegate))
        return real(job_id, name)

    monkeypatch.setattr(storage, "writing", cancelled_while_writing)

    assert take_and_write(second.pk) is None
    second.refresh_from_db()
    assert (second.status, second.lease_holder) == (Shard.Status.WAITING, None)
    expire.expire()

    harbor_job.refresh_from_db()
    assert harbor_job.files_removed_at is not None
    assert files_of(harbor_job) == []
    assert not OutputFile.objects.exists()
    assert recover.recover() == recover.Recovered([], [])


def test_files_that_are_removed_under_the_worker_of_a_cancelled_job_are_no_error(
    world, harbor_job, monkeypatch, caplog
):
    plan.plan(harbor_job.pk)
    shard = harbor_job.shards.first()

    def cancelled_while_copying(*arguments):
        _copy(*arguments)
        kickoff.cancel(Job.objects.get(pk=harbor_job.pk), by=Actor(user=world.delegate))
        expire.expire()

    _copy = write._copy
    monkeypatch.setattr(write, "_copy", cancelled_while_copying)
    assert take_and_write(shard.pk) is None

    shard.refresh_from_db()
    assert (shard.status, shard.lease_holder, shard.file_name) == (Shard.Status.WAITING, None, shard.file_name)
    assert not [record for record in caplog.records if record.exc_info or record.levelname != "INFO"]
    harbor_job.refresh_from_db()
    assert harbor_job.files_removed_at is None, "it was cleared away while a worker was writing"
    expire.expire()
    harbor_job.refresh_from_db()
    assert harbor_job.files_removed_at is not None
    assert files_of(harbor_job) == []


def test_a_worker_whose_lease_another_has_taken_leaves_that_one_alone(harbor_job, settings, monkeypatch):
    plan.plan(harbor_job.pk)
    shard = harbor_job.shards.first()
    other = uuid.uuid4()

    def taken_over_while_copying(*arguments):
        _copy(*arguments)
        Shard.objects.filter(pk=shard.pk).update(lease_holder=other)

    _copy = write._copy
    monkeypatch.setattr(write, "_copy", taken_over_while_copying)
    assert take_and_write(shard.pk) is None

    shard.refresh_from_db()
    assert (shard.status, shard.lease_holder) == (Shard.Status.WRITING, other)


def test_what_cannot_be_written_rests_and_what_is_interrupted_does_not(harbor_job, monkeypatch):
    plan.plan(harbor_job.pk)
    failing, interrupted = harbor_job.shards.all()

    for shard, error in ((failing, OSError("a test")), (interrupted, SystemExit("a test"))):
        monkeypatch.setattr(write, "_copy", Mock(side_effect=error))
        with pytest.raises(type(error)):
            take_and_write(shard.pk)

    assert turns.take_next(uuid.uuid4()) == interrupted
    assert turns.take_next(uuid.uuid4()) is None
    failing.refresh_from_db()
    assert (failing.status, failing.last_error) == (Shard.Status.WAITING, "OSError: a test")


def test_a_cancelled_job_is_not_planned(world, harbor_job):
    kickoff.cancel(harbor_job, by=Actor(user=world.delegate))

    assert plan.plan(harbor_job.pk) is False
    assert not Shard.objects.exists()


def _mbis(job: Job) -> list[str]:
    return list(Mbi.objects.filter(beneficiary__roster_entries__roster=job.roster).values_list("value", flat=True))
