"""Retention: removes the files of finished jobs when they expire, and then their records."""

from django.db.models import F, Q
from django.db.models.functions import Now

from credentials.isolation import isolated
from exports import storage
from exports.models import Job, OutputFile, Shard
from exports.pipeline import shortfalls
from exports.pipeline.transactions import brief


def expire() -> int:
    """Remove the files of jobs that have expired, failed or been cancelled. Return how many jobs that was."""
    # Or by the rules of a program that the organization no longer has.
    over = Q(status=Job.Status.COMPLETED) & (
        Q(expires_at__lte=Now()) | Q(organization__program_changed_at__gt=F("created_at"))
    )
    unwanted = Q(status__in=[Job.Status.EXPIRED, Job.Status.FAILED, Job.Status.CANCELLED], files_removed_at=None)
    cleared = 0
    for job_id in list(Job.objects.filter(over | unwanted).order_by("pk").values_list("pk", flat=True)):
        # The storage may be down for one job. It is tried again.
        with isolated("The removal of the files of job", job_id):
            _clear(job_id)
            cleared += 1
    return cleared


def _clear(job_id: int) -> None:
    job = Job.objects.filter(pk=job_id)
    job.filter(status=Job.Status.COMPLETED).update(status=Job.Status.EXPIRED)
    # Until its lease expires, a worker may not know yet that the job has ended. Try again then.
    is_still = not Shard.objects.filter(job=job_id).busy().exists()
    # Files first: a record without a file is found again here, a file without a record never.
    storage.remove_all(job_id)
    with brief():
        OutputFile.objects.filter(job=job_id).delete()
        shortfalls.forget(job_id)
        if is_still:
            job.update(files_removed_at=Now())
