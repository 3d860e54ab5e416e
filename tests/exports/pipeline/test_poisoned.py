"""Recovery, retention and merging beside rows that cannot be dealt with: everybody else's go on."""

import contextlib
import datetime as dt
from pathlib import Path

import pytest
from django.db import connection
from django.utils import timezone

from exports import storage, tasks
from exports.claims.compaction import compact
from exports.models import Chunk, Job, OutputFile, Shard
from exports.pipeline import expire
from tests import poison
from tests.exports.store import arrival, load, patient
from tests.world import World

# Each row is changed in a transaction of its own.
pytestmark = pytest.mark.django_db(transaction=True)

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
Status, OfShard = Job.Status, Shard.Status

# What recovery has to do with: a job, and its shard if it has one.
OVERDUE = {"created_at": -2 * DAY}
UNHEARD = {}
TRIED = {"status": Status.IN_PROGRESS, "shard": {"attempts": 5}}
DEAD = {"status": Status.IN_PROGRESS, "shard": {"status": OfShard.WRITING, "lease_until": -HOUR}}
WRITTEN = {"status": Status.IN_PROGRESS, "shard": {"status": OfShard.WRITTEN}}
EACH = (OVERDUE, UNHEARD, TRIED, DEAD, WRITTEN)


class Exports:
    """Makes jobs as they stand in the database after this and that."""

    def __init__(self, world: World) -> None:
        self._roster = {one: world.roster(one, world.beneficiaries(1)) for one in (world.harbor, world.mesa)}

    def job(self, organization, *, shard: dict | None = None, **facts) -> Job:
        job = Job.objects.create(
            organization=organization,
            version=2,
            scope=Job.Scope.GROUP_ALL,
            resource_types=["Patient"],
            request_url="http://testserver/api/v2/Group/all/$export",
            roster=self._roster[organization],
            **_as_of_now(facts),
        )
        if shard is not None:
            Shard.objects.create(
                job=job,
                number=0,
                resource_type="Patient",
                population="everyone",
                first_beneficiary_id=1,
                last_beneficiary_id=1,
                resource_count=1,
                raw_length=1,
                file_name=f"{job.pk}.ndjson",
                **_as_of_now(shard),
            )
        return job

    def file(self, job: Job) -> Path:
        """A file of the job, on the disk and in the database."""
        shard = job.shards.get()
        with storage.writing(job.pk, shard.file_name) as file:
            file.write(b"x")
        OutputFile.objects.create(
            shard=shard,
            job=job,
            name=shard.file_name,
            resource_type="Patient",
            resource_count=1,
            raw_length=1,
            stored_length=1,
        )
        return folder(job) / shard.file_name


@pytest.fixture
def exports(world) -> Exports:
    return Exports(world)


@pytest.fixture
def sent(monkeypatch) -> list[tuple[str, tuple]]:
    """The messages to workers, who get none."""
    found = []
    monkeypatch.setattr(tasks, "_send", lambda task, *arguments: found.append((task.name, arguments)))
    monkeypatch.setattr(tasks, "_is_waiting", lambda _queue: False)  # whatever other tests have left there
    return found


def folder(job: Job) -> Path:
    return Path(storage.storages["exports"].path(str(job.pk)))


def _as_of_now(facts: dict) -> dict:
    now = timezone.now()
    return {name: now + value if isinstance(value, dt.timedelta) else value for name, value in facts.items()}


# --- The kinds of poison --------------------------------------------------------------------------------------------


@contextlib.contextmanager
def unreadable_time(jobs):
    for job in jobs:
        poison.write(job, planned_at=poison.BEFORE_CHRIST, expires_at=poison.BEFORE_CHRIST)
    with poison.read_as_psycopg_does():
        yield


@contextlib.contextmanager
def refused_by_the_database(jobs):
    shards = Shard.objects.filter(job__in=jobs)
    with poison.refused_by_the_database(*jobs, *shards):
        yield


@contextlib.contextmanager
def unknown_status(jobs):
    for job in jobs:
        poison.write(job, status="paused")
    yield


@contextlib.contextmanager
def unknown_status_of_a_shard(jobs):
    for shard in Shard.objects.filter(job__in=jobs):
        poison.write(shard, status="paused")
    yield


@contextlib.contextmanager
def missing_file(jobs, exports):
    for job in jobs:
        if job.shards.exists():
            exports.file(job).unlink()
    yield


@contextlib.contextmanager
def storage_out_of_reach(jobs):
    """Where the job's folder should be, there is none that could be looked into."""
    for job in jobs:
        folder(job).parent.mkdir(parents=True, exist_ok=True)
        folder(job).write_bytes(b"")
    yield


POISONS = (
    unreadable_time,
    refused_by_the_database,
    unknown_status,
    unknown_status_of_a_shard,
    missing_file,
    storage_out_of_reach,
)


def poisoned(kind, jobs, exports):
    return kind(jobs, exports) if kind is missing_file else kind(jobs)


# --- Recovery -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", POISONS, ids=lambda kind: kind.__name__)
def test_recovery_goes_on_for_50_healthy_jobs_beside_poisoned_ones(world, exports, sent, kind):
    bad = [exports.job(world.harbor, **facts) for facts in EACH]
    good = {number: [exports.job(world.mesa, **facts) for _ in range(10)] for number, facts in enumerate(EACH)}

    with poisoned(kind, bad, exports):
        tasks.recover()

    overdue, unheard, tried, dead, written = (
        Job.objects.filter(pk__in=[job.pk for job in good[number]]) for number in range(len(EACH))
    )
    assert overdue.filter(status=Status.FAILED, failure__contains="1 day").count() == 10
    assert unheard.filter(status=Status.PENDING).exclude(sent_at=None).count() == 10
    assert {arguments for name, arguments in sent if name == tasks.plan.name} >= {(job.pk,) for job in good[1]}
    assert tried.filter(status=Status.FAILED, failure__contains="in 5 attempts").count() == 10
    assert Shard.objects.filter(job__in=dead, status=OfShard.WAITING, lease_until=None).count() == 10
    assert tasks.write.name in {name for name, _ in sent}
    assert written.filter(status=Status.COMPLETED).count() == 10


def test_a_job_whose_row_cannot_be_read_fails_like_any_other_when_its_time_is_over(world, exports, sent):
    job = exports.job(world.harbor, **OVERDUE)

    with unreadable_time([job]):
        tasks.recover()

    job.refresh_from_db()
    assert (job.status, "1 day" in job.failure) == (Status.FAILED, True)


# --- Retention ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", POISONS, ids=lambda kind: kind.__name__)
def test_the_files_of_50_expired_jobs_are_removed_beside_a_poisoned_one(world, exports, kind):
    over = {"status": Status.COMPLETED, "expires_at": -HOUR, "shard": {"status": OfShard.WRITTEN}}
    bad = exports.job(world.harbor, **over)
    good = [exports.job(world.mesa, **over) for _ in range(50)]
    for job in good:
        exports.file(job)

    with poisoned(kind, [bad], exports):
        removed = expire.expire()

    cleared = Job.objects.filter(organization=world.mesa, status=Status.EXPIRED).exclude(files_removed_at=None)
    assert cleared.count() == 50
    assert removed >= 50
    assert not OutputFile.objects.filter(job__in=good).exists()
    assert not [job for job in good if folder(job).exists()]


# --- Merging --------------------------------------------------------------------------------------------------------


def test_the_rows_of_50_people_are_merged_beside_damaged_ones_of_another(world):
    mbis = world.beneficiaries(51)
    world.roster(world.harbor, mbis)
    for month in range(4):
        load({mbi: [patient(mbi, month=month), arrival("ExplanationOfBenefit", f"{mbi}-{month}")] for mbi in mbis})
    damaged = Chunk.objects.filter(resource_type="ExplanationOfBenefit").order_by("beneficiary_id").first()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE exports_chunk SET segments = '{}' WHERE resource_type = %s AND beneficiary_id = %s",
            [damaged.resource_type, damaged.beneficiary_id],
        )

    merged = compact(oldest_in_use=None, keep=dt.timedelta())

    left = Chunk.objects.filter(resource_type="ExplanationOfBenefit")
    assert merged == 50
    assert left.exclude(beneficiary_id=damaged.beneficiary_id).count() == 50
    assert left.filter(beneficiary_id=damaged.beneficiary_id).count() == 4
