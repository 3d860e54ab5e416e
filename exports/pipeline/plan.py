"""The first step of a job: fix its content, and cut it into shards."""

import datetime as dt
import uuid
from collections.abc import Iterator

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now

from attribution.cohorts import Population
from exports.models import Job, Load, Shard
from exports.pipeline.transactions import brief
from exports.sources import SOURCES, Selection, Source, SourcePart

# Before the first load, a client that uses this as its `_since` misses nothing.
NOTHING_LOADED_YET = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
NO_PROGRAM = "Nothing was exported: no rules say what this organization can get."


def plan(job_id: int) -> bool:
    """Plan a waiting job. Return True if this call did it. The export sees the store as it is now."""
    Job.objects.filter(pk=job_id).update(plan_attempts=F("plan_attempts") + 1)
    with brief():
        job = Job.objects.select_for_update().filter(pk=job_id, status=Job.Status.PENDING).first()
        if job is None:
            return False
        if job.organization.program is None:  # it had one, or code of the release before has started the job
            without = f"{NO_PROGRAM} {job.organization.program_problem()}"
            return job.advance(from_=Job.Status.PENDING, to=Job.Status.FAILED, failure=without, finished_at=Now())
        # Loads run one after the other, so the newest visible one has all others before it.
        job.as_of_load = Load.objects.order_by("-id").first()
        shards = Shard.objects.bulk_create(_shards(job))
        return job.advance(
            from_=Job.Status.PENDING,
            to=Job.Status.IN_PROGRESS,
            as_of_load=job.as_of_load,
            transaction_time=job.as_of_load.loaded_at if job.as_of_load else NOTHING_LOADED_YET,
            planned_at=Now(),
            bytes_left=sum(shard.raw_length for shard in shards),
        )


def source_of(shard: Shard) -> Source:
    """Where the content of a shard comes from."""
    return SOURCES["deletions" if shard.kind == Shard.Kind.DELETED else "store"]


def selection_of(shard: Shard) -> Selection:
    """What a shard contains, as the source understands it."""
    job = shard.job
    assert job.as_of_load_id is not None  # noqa: S101  # a job without a load has no shards
    return Selection(
        version=job.version,
        resource_type=shard.resource_type,
        as_of_load_id=job.as_of_load_id,
        cohort=job.cohort.narrowed_to(Population(shard.population)),
        since=shard.since,
        claims_from_date=job.claims_from_date,
        claims_through_date=job.claims_through_date,
        first_beneficiary_id=shard.first_beneficiary_id,
        last_beneficiary_id=shard.last_beneficiary_id,
    )


def _shards(job: Job) -> Iterator[Shard]:
    """Return the shards of a job, in the order of its manifest."""
    if job.as_of_load is None:
        return
    number = 0
    for draft in _drafts(job):
        for part in source_of(draft).parts(selection_of(draft), file_bytes=settings.EXPORT_FILE_BYTES):
            yield _shard(draft, number, part)
            number += 1


def _drafts(job: Job) -> Iterator[Shard]:
    """Return what is exported, before it is cut: first the resources, then the deletions after `_since`."""
    for kind in Shard.Kind:
        for resource_type in job.resource_types:
            for population, since in _populations(job):
                if kind == Shard.Kind.OUTPUT or since is not None:
                    yield Shard(job=job, kind=kind, resource_type=resource_type, population=population, since=since)


def _populations(job: Job) -> list[tuple[Population, dt.datetime | None]]:
    """Return who gets what: with Group and `_since`, newly attributed beneficiaries get their whole history."""
    if not job.has_newly_attributed:
        return [(Population.EVERYONE, job.since)]
    if job.earlier_roster_id is None:
        return [(Population.EVERYONE, None)]
    return [(Population.EXISTING, job.since), (Population.NEWLY_ATTRIBUTED, None)]


def _shard(draft: Shard, number: int, part: SourcePart) -> Shard:
    return Shard(
        job=draft.job,
        number=number,
        kind=draft.kind,
        resource_type=draft.resource_type,
        population=draft.population,
        since=draft.since,
        first_beneficiary_id=part.first_beneficiary_id,
        last_beneficiary_id=part.last_beneficiary_id,
        resource_count=part.resource_count,
        raw_length=part.raw_length,
        file_name=f"{uuid.uuid4()}.ndjson",
    )
