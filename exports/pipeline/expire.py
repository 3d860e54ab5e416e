"""Retention: files of finished jobs are removed when their time is over, and then their records."""

from django.db import transaction
from django.db.models.functions import Now

from exports import storage
from exports.models import Job


def expire() -> int:
    """Remove the files of jobs that have expired, failed or been cancelled; how many jobs that was."""
    jobs = [
        *Job.objects.filter(status=Job.Status.COMPLETED, expires_at__lte=Now()),
        *Job.objects.filter(status__in=[Job.Status.FAILED, Job.Status.CANCELLED], files_removed_at=None),
    ]
    for job in jobs:
        job.advance(from_=Job.Status.COMPLETED, to=Job.Status.EXPIRED)
        # Files first: a record without a file is found again here, a file without a record never.
        storage.remove_all(job.pk)
        with transaction.atomic():
            job.files.all().delete()
            Job.objects.filter(pk=job.pk).update(files_removed_at=Now())
    return len(jobs)
