"""The last step of a job: when all shards are written, clients can download the files."""

from django.conf import settings
from django.db.models import Q, Sum
from django.db.models.functions import Now

from exports import storage
from exports.models import Job, OutputFile, Shard, ShardOutcomes
from exports.pipeline import shortfalls
from exports.pipeline.transactions import brief


def finish(job: Job) -> bool:
    """Complete a job whose shards are all written. Return True for exactly one caller.

    If sources could not get something, a file that says so is written first; and a file that was lost in a power
    failure is written again.
    """
    if job.shards.unwritten().exists() or shortfalls.add_file(job):
        return False
    lost = storage.settle(job.pk, dict(job.files.values_list("name", "stored_length")))
    if lost:
        _write_again(job, lost)
        return False
    return job.advance(
        from_=Job.Status.IN_PROGRESS,
        to=Job.Status.COMPLETED,
        finished_at=Now(),
        expires_at=Now() + settings.EXPORT_LIFETIME,
    )


@brief()
def _write_again(job: Job, names: list[str]) -> None:
    these = Q(job=job, job__status=Job.Status.IN_PROGRESS)
    Job.objects.select_for_update().get(pk=job.pk)
    OutputFile.objects.filter(these, name__in=names).delete()
    shards = Shard.objects.filter(these, file_name__in=names)
    # What their sources could not get is asked again, too, and then the file of it is written anew.
    ShardOutcomes.objects.filter(shard__in=shards).delete()
    shards.put_back(bytes_written=0, last_error="The file was lost after it was written.")
    job.shards.filter(kind=Shard.Kind.ERROR).delete()
    left = job.shards.unwritten().aggregate(left=Sum("raw_length", default=0))["left"]
    Job.objects.filter(pk=job.pk).update(bytes_left=left)
