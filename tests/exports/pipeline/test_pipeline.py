"""The steps of an export, each run as a worker would, and each run twice, late or not at all."""

import datetime as dt
import uuid
from pathlib import Path
from unittest.mock import Mock

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from attribution.models import Mbi
from exports import kickoff, storage
from exports.models import Job, OutputFile, Shard
from exports.pipeline import expire, finish, leases, plan, recover, turns, write
from tests.exports.store import arrival, exported, load, patient, run, start
from tests.exports.turn import take_and_write

pytestmark = pytest.mark.usefixtures("unhurried")

GROUP = Job.Scope.GROUP_ALL


def eob(number: int):
    return arrival("ExplanationOfBenefit", f"e-{number}")


@pytest.fixture
def harbor_job(world) -> Job:
    mbis = world.beneficiaries(3)
    world.roster(world.harbor, mbis)
    load({mbi: [patient(mbi), eob(number)] for number, mbi in enumerate(mbis)})
    return start(world.harbor, scope=GROUP)


def test_an_export_holds_the_roster_and_nobody_else(world):
    ours, theirs, nobodys = world.beneficiaries(3), world.beneficiaries(2), world.beneficiaries(2)
    world.roster(world.harbor, ours)
    world.roster(world.mesa, theirs)
    load({mbi: [patient(mbi)] for mbi in ours + theirs + nobodys})

    job = run(start(world.harbor, scope=GROUP))

    assert job.status == Job.Status.COMPLETED
    assert exported(job) == {"Patient": [f"p-{mbi}" for mbi in ours]}


def test_an_export_runs_with_debug_on_too(harbor_job):
    with CaptureQueriesContext(connection):
        assert run(harbor_job).status == Job.Status.COMPLETED


def test_a_type_of_which_there_is_nothing_has_no_file(harbor_job):
    job = run(harbor_job)

    assert set(exported(job)) == {"Patient", "ExplanationOfBenefit"}


def test_an_export_of_an_empty_store_is_complete_and_empty(world):
    world.roster(world.harbor, world.beneficiaries(1))

    job = run(start(world.harbor, scope=GROUP))

    assert job.status == Job.Status.COMPLETED
    assert not job.files.exists()
    assert job.transaction_time is not None


def test_large_exports_are_cut_into_files_without_loss_or_repetition(world, settings):
    mbis = world.beneficiaries(9)
    world.roster(world.harbor, mbis)
    load({mbi: [patient(mbi, filler="x" * 500)] for mbi in mbis})
    settings.EXPORT_FILE_BYTES = 1_700

    job = run(start(world.harbor, scope=GROUP))

    assert job.files.count() == 3
    assert exported(job)["Patient"] == [f"p-{mbi}" for mbi in mbis]


def test_what_is_loaded_after_the_planning_is_not_in_the_export(world):
    mbis = world.beneficiaries(2)
    world.roster(world.harbor, mbis)
    load({mbi: [patient(mbi, name="old"), eob(number)] for number, mbi in enumerate(mbis)})
    job = start(world.harbor, scope=GROUP)
    plan.plan(job.pk)

    load({mbis[0]: [patient(mbis[0], name="new"), eob(0), eob(7)]})
    for shard in Shard.objects.filter(job=job):
        take_and_write(shard.pk)

    job.refresh_from_db()
    assert exported(job) == {"Patient": [f"p-{mbi}" for mbi in mbis], "ExplanationOfBenefit": ["e-0", "e-1"]}


def test_a_client_that_comes_back_with_the_transaction_time_misses_and_repeats_nothing(world):
    mbis = world.beneficiaries(2)
    world.roster(world.harbor, mbis, published_at=timezone.now() - dt.timedelta(days=1))
    load({mbi: [patient(mbi), eob(number)] for number, mbi in enumerate(mbis)})
    first = run(start(world.harbor, scope=GROUP))
    load({mbis[1]: [eob(1), eob(8)]})

    second = run(start(world.harbor, scope=GROUP, since=first.transaction_time))
    third = run(start(world.harbor, scope=GROUP, since=second.transaction_time))

    assert exported(second) == {"ExplanationOfBenefit": ["e-1", "e-8"]}
    assert exported(third) == {}


@pytest.mark.parametrize(
    ("scope", "of_the_new"), [(Job.Scope.GROUP_ALL, ["e-1"]), (Job.Scope.PATIENT, [])], ids=["Group", "Patient"]
)
def test_since_gives_the_newly_attributed_their_whole_history_in_group_exports_only(world, scope, of_the_new):
    old, new = world.beneficiaries(2)
    now = timezone.now()
    world.roster(world.harbor, [old], published_at=now - dt.timedelta(days=30))
    load({old: [eob(0)], new: [eob(1)]})
    since = timezone.now()
    load({old: [eob(2)]})
    world.roster(world.harbor, [old, new], published_at=timezone.now())

    job = run(start(world.harbor, scope=scope, since=since))

    assert exported(job) == {"ExplanationOfBenefit": ["e-2", *of_the_new]}
    assert job.files.count() == 1 + len(of_the_new)


def test_who_left_the_roster_is_not_in_the_export_whatever_since_says(world):
    stays, leaves = world.beneficiaries(2)
    world.roster(world.harbor, [stays, leaves], published_at=timezone.now() - dt.timedelta(days=30))
    world.roster(world.harbor, [stays])
    since = timezone.now() - dt.timedelta(days=7)
    load({mbi: [patient(mbi)] for mbi in (stays, leaves)})

    job = run(start(world.harbor, scope=GROUP, since=since))

    assert exported(job) == {"Patient": [f"p-{stays}"]}


def test_an_organization_without_a_roster_cannot_start(world):
    with pytest.raises(kickoff.NoRosterError):
        start(world.harbor, scope=GROUP)

    assert not Job.objects.exists()


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
    loss(_files(harbor_job)[0])
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
    assert _files(harbor_job) == []


def test_a_cancelled_job_leaves_no_file_and_is_not_taken_up_again(world, harbor_job, monkeypatch):
    plan.plan(harbor_job.pk)
    first, second = harbor_job.shards.all()
    take_and_write(first.pk)
    real = storage.writing

    def cancelled_while_writing(job_id, name):
        kickoff.cancel(Job.objects.get(pk=harbor_job.pk), by=world.delegate)
        return real(job_id, name)

    monkeypatch.setattr(storage, "writing", cancelled_while_writing)

    assert take_and_write(second.pk) is None
    second.refresh_from_db()
    assert (second.status, second.lease_holder) == (Shard.Status.WAITING, None)
    expire.expire()

    harbor_job.refresh_from_db()
    assert harbor_job.files_removed_at is not None
    assert _files(harbor_job) == []
    assert not OutputFile.objects.exists()
    assert recover.recover() == recover.Recovered([], [])


def test_files_that_are_removed_under_the_worker_of_a_cancelled_job_are_no_error(
    world, harbor_job, monkeypatch, caplog
):
    plan.plan(harbor_job.pk)
    shard = harbor_job.shards.first()

    def cancelled_while_copying(*arguments):
        _copy(*arguments)
        kickoff.cancel(Job.objects.get(pk=harbor_job.pk), by=world.delegate)
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
    assert _files(harbor_job) == []


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
    kickoff.cancel(harbor_job, by=world.delegate)

    assert plan.plan(harbor_job.pk) is False
    assert not Shard.objects.exists()


@pytest.mark.django_db(transaction=True)  # the message is sent when the job is committed
def test_recovery_sends_a_lost_message_again_but_not_a_fresh_one(harbor_job, settings):
    fresh = recover.recover()
    Job.objects.update(sent_at=Now() - settings.EXPORT_MESSAGE_PATIENCE)
    lost = recover.recover()

    assert fresh.to_plan == []
    assert lost.to_plan == [harbor_job.pk]


def test_recovery_takes_up_a_shard_whose_worker_died(harbor_job, settings):
    plan.plan(harbor_job.pk)
    dead, alive = harbor_job.shards.all()
    leases.take(dead, holder=uuid.uuid4(), lease=dt.timedelta(seconds=-1))
    leases.take(alive, holder=uuid.uuid4(), lease=settings.EXPORT_LEASE)

    before = turns.is_something_next()
    recover.recover()

    assert not before
    assert [turns.take_next(uuid.uuid4()), turns.take_next(uuid.uuid4())] == [dead, None]


def test_recovery_finishes_a_job_whose_last_worker_died_before_it_could(harbor_job):
    plan.plan(harbor_job.pk)
    for shard in harbor_job.shards.all():
        take_and_write(shard.pk)

    assert recover.recover().to_finish == [harbor_job.pk]


def test_a_shard_that_fails_again_and_again_fails_the_job_with_the_reason(harbor_job, settings):
    plan.plan(harbor_job.pk)
    Shard.objects.update(attempts=settings.EXPORT_ATTEMPTS, last_error="OSError: No space left on device")

    recover.recover()

    harbor_job.refresh_from_db()
    assert not turns.is_something_next()
    assert harbor_job.status == Job.Status.FAILED
    assert "No space left on device" in harbor_job.failure


def test_expired_files_are_removed_with_their_records(harbor_job):
    job = run(harbor_job)
    assert len(_files(job)) == 2
    Job.objects.update(expires_at=Now())

    expire.expire()

    job.refresh_from_db()
    assert job.status == Job.Status.EXPIRED
    assert _files(job) == []
    assert not OutputFile.objects.exists()
    assert expire.expire() == 0


def test_a_half_written_file_is_never_seen_under_its_name(harbor_job):
    with pytest.raises(RuntimeError), storage.writing(harbor_job.pk, "a.ndjson") as file:
        file.write(b"half")
        raise RuntimeError

    assert _files(harbor_job) == []


def test_what_a_killed_worker_left_half_written_goes_when_the_job_is_finished(harbor_job):
    plan.plan(harbor_job.pk)
    for shard in harbor_job.shards.all():
        take_and_write(shard.pk)
    finals = _files(harbor_job)
    finals[0].with_name(f".{finals[0].name}.0123456789abcdef").write_bytes(b"half")
    harbor_job.refresh_from_db()

    finish.finish(harbor_job)

    assert _files(harbor_job) == finals


def test_files_are_readable_by_their_owner_alone(harbor_job):
    job = run(harbor_job)

    with storage.opened(job.pk, job.files.first().name) as file:
        path = Path(file.name)

    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0


def _mbis(job: Job) -> list[str]:
    return list(Mbi.objects.filter(beneficiary__roster_entries__roster=job.roster).values_list("value", flat=True))


def _files(job: Job) -> list:
    folder = Path(storage.storages["exports"].path(str(job.pk)))
    return sorted(folder.iterdir()) if folder.exists() else []
