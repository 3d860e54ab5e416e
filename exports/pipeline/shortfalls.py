"""What a source could not get: kept with each shard, and one more file of the job when all shards are written."""

import uuid
from collections.abc import Iterator, Sequence

import msgspec
from django.db.models import F, Sum

from attribution.cohorts import Population
from attribution.identifiers import without_mbis
from exports.claims import splice
from exports.claims.splice import Body
from exports.models import Job, Shard, ShardOutcomes
from exports.pipeline.transactions import brief
from exports.sources import Piece, Shortfall
from exports.sources.base import EVERYBODY
from exports.versions import VERSIONS

RESOURCE_TYPE = "OperationOutcome"


def body_of(shard: Shard, missed: Sequence[Shortfall]) -> Body | None:
    """Return a line for each shortfall, as the job's version writes errors. None if there are none.

    What the source says is not trusted: no MBI of it gets into a file.
    """
    if not missed:
        return None
    error = VERSIONS[shard.job.version].error
    lines = [msgspec.json.encode(error(each.code, without_mbis(each.diagnostics))) for each in missed]
    return splice.deflate(b"\n".join(lines) + b"\n", len(lines))


def pieces(job: Job) -> Iterator[Piece]:
    """Return the outcomes of all shards, in the order of the shards."""
    for each in ShardOutcomes.objects.filter(shard__job=job).order_by("shard__number"):
        yield Piece(Body(each.resource_count, each.raw_length, each.crc32, each.body))


def add_file(job: Job) -> bool:
    """Add the shard of the outcomes, if there are any and it is not there. Return whether something is left to write.

    It is written like every other: by a worker that may die, under a lease. Others may finish the job at the same
    moment, or have a lost file written again. Each locks the job first.
    """
    if not ShardOutcomes.objects.filter(shard__job=job).exists():
        return False
    with brief():
        locked = Job.objects.select_for_update().filter(pk=job.pk, status=Job.Status.IN_PROGRESS).first()
        if locked is None:
            return False
        if locked.shards.unwritten().exists():
            return True
        if locked.shards.filter(kind=Shard.Kind.ERROR).exists():
            return False
        sums = ShardOutcomes.objects.filter(shard__job=locked).aggregate(
            count=Sum("resource_count"), length=Sum("raw_length")
        )
        Shard.objects.create(
            job=locked,
            number=locked.shards.count(),  # those of the plan begin with 0
            kind=Shard.Kind.ERROR,
            resource_type=RESOURCE_TYPE,
            population=Population.EVERYONE,
            first_beneficiary_id=EVERYBODY[0],
            last_beneficiary_id=EVERYBODY[1],
            resource_count=sums["count"],
            raw_length=sums["length"],
            status=Shard.Status.QUEUED,
            file_name=f"{uuid.uuid4()}.ndjson",
        )
        Job.objects.filter(pk=job.pk).update(bytes_left=F("bytes_left") + sums["length"])
    return True


def forget(job_id: int) -> None:
    """Remove what was kept, for a job whose files are removed."""
    ShardOutcomes.objects.filter(shard__job=job_id).delete()
