"""The first step of a job: fix its content, and cut it into shards."""

import datetime as dt
import uuid
from collections.abc import Iterator

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now

from attribution.cohorts import Population
from attribution.loading import intervals
from exports.models import EARLIEST_SINCE, Job, Shard
from exports.pipeline import shortfalls
from exports.pipeline.transactions import brief
from exports.sources import SOURCES, Content, Moment, Piece, Selection, Shortfall, SourcePart

NO_RULES = "The organization’s program has changed, or it has none. If it has one now, start a new export."

MILLISECOND, MICROSECOND = dt.timedelta(milliseconds=1), dt.timedelta(microseconds=1)


def plan(job_id: int) -> bool:
    """Plan a waiting job. Return True if this call did it. The export sees its source as it is now."""
    Job.objects.filter(pk=job_id).update(plan_attempts=F("plan_attempts") + 1)
    with brief():
        job = Job.objects.select_for_update().filter(pk=job_id, status=Job.Status.PENDING).first()
        if job is None:
            return False
        if job.organization.program is None or job.is_of_another_program:
            return job.advance(from_=Job.Status.PENDING, to=Job.Status.FAILED, failure=NO_RULES, finished_at=Now())
        moment = SOURCES[job.source].moment()
        job.as_of_load = moment.as_of_load
        shards = Shard.objects.bulk_create(_shards(job))
        return job.advance(
            from_=Job.Status.PENDING,
            to=Job.Status.IN_PROGRESS,
            as_of_load=moment.as_of_load,
            transaction_time=_transaction_time(job, moment),
            planned_at=Now(),
            bytes_left=sum(shard.raw_length for shard in shards),
        )


def pieces_of(shard: Shard) -> Iterator[Piece | Shortfall]:
    """Return the content of a shard."""
    if shard.kind == Shard.Kind.ERROR:
        return shortfalls.pieces(shard.job)
    content = _content_of(shard)
    assert content is not None  # noqa: S101  # else it was not planned
    return content.pieces(selection_of(shard))


def selection_of(shard: Shard) -> Selection:
    """What a shard contains, as the source understands it."""
    job = shard.job
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


def _transaction_time(job: Job, moment: Moment) -> dt.datetime:
    """Return the time that a client continues from: within the time in which the job's roster was in force.

    So the roster that was in force at `_since` is the one that the client has. See
    docs/decisions/0030-rolling-back-a-roster.md.
    """
    until = job.organization.bounds().attribution_until
    began, ended = intervals.in_force(job.roster, job.created_at, until=until)
    time = moment.transaction_time
    if moment.is_settled:
        # Many clients keep milliseconds only, and must not come before it.
        time = max(time, began + MILLISECOND)
    # Too early is never wrong: then a client gets some resources again.
    return min(time, ended - MICROSECOND) if ended else time


def _shards(job: Job) -> Iterator[Shard]:
    """Return the shards of a job, in the order of its manifest."""
    number = 0
    for draft in _drafts(job):
        content = _content_of(draft)
        for part in content.parts(selection_of(draft), file_bytes=settings.EXPORT_FILE_BYTES) if content else ():
            yield _shard(draft, number, part)
            number += 1


def _content_of(shard: Shard) -> Content | None:
    source = SOURCES[shard.job.source]
    return source.removals if shard.kind == Shard.Kind.DELETED else source


def _drafts(job: Job) -> Iterator[Shard]:
    """Return what is exported, before it is cut: first the resources, then the deletions after `_since`."""
    for kind in (Shard.Kind.OUTPUT, Shard.Kind.DELETED):
        for resource_type in job.resource_types:
            for population, since in _populations(job):
                if kind == Shard.Kind.OUTPUT or since is not None:
                    yield Shard(job=job, kind=kind, resource_type=resource_type, population=population, since=since)
            if kind == Shard.Kind.DELETED and job.returned_beneficiary_ids:
                # While they were opted out, nothing was told of them. Nobody knows since when: so all that was removed.
                whole = {"population": Population.RETURNED, "since": EARLIEST_SINCE}
                yield Shard(job=job, kind=kind, resource_type=resource_type, **whole)


def _populations(job: Job) -> list[tuple[Population, dt.datetime | None]]:
    """Return who gets what: with Group and `_since`, newly attributed beneficiaries get their whole history."""
    # Mistakes are told with `_since`, even if nobody is on an earlier roster.
    if job.has_newly_attributed and job.earlier_roster_id is None and not job.mistaken_roster_ids:
        return [(Population.EVERYONE, None)]
    if not (job.has_newly_attributed or job.returned_beneficiary_ids):
        return [(Population.EVERYONE, job.since)]
    return [(Population.EXISTING, job.since), (Population.NEWLY_ATTRIBUTED, None)]


def _shard(draft: Shard, number: int, part: SourcePart) -> Shard:
    is_sized = part.raw_length is not None
    return Shard(
        job=draft.job,
        number=number,
        kind=draft.kind,
        resource_type=draft.resource_type,
        population=draft.population,
        since=draft.since,
        first_beneficiary_id=part.first_beneficiary_id,
        last_beneficiary_id=part.last_beneficiary_id,
        resource_count=part.resource_count or 0,
        raw_length=_counts_as(draft.kind) if part.raw_length is None else part.raw_length,
        is_sized=is_sized,
        status=Shard.Status.WAITING if is_sized else Shard.Status.QUEUED,
        file_name=f"{uuid.uuid4()}.ndjson",
    )


def _counts_as(kind: str) -> int:
    """Return the bytes that a part of unknown size counts as: for the order of jobs, never for whether it is whole.

    Resources count as a full file, so that a job whose size nobody knows does not go before one that is known to be
    small. Deletions are lists of ids, which are small: they count as nothing.
    """
    return 0 if kind == Shard.Kind.DELETED else settings.EXPORT_FILE_BYTES
