"""Retention: files of finished jobs are removed when their time is over, and then their records."""

import logging

from django.db.models import Q
from django.db.models.functions import Now

from exports import storage
from exports.models import Job
from exports.pipeline.transactions import brief

logger = logging.getLogger(__name__)


def expire() -> int:
    """Remove the files of jobs that have expired, failed or been cancelled; how many jobs that was."""
    over = Q(status=Job.Status.COMPLETED, expires_at__lte=Now())
    unwanted = Q(status__in=[Job.Status.EXPIRED, Job.Status.FAILED, Job.Status.CANCELLED], files_removed_at=None)
    return sum(_clear(job) for job in Job.objects.filter(over | unwanted).order_by("pk"))


def _clear(job: Job) -> bool:
    job.advance(from_=Job.Status.COMPLETED, to=Job.Status.EXPIRED)
    # Until its lease is over, a worker may not know yet that nobody wants what it writes; then we come again.
    is_still = not job.shards.busy().exists()
    try:
        # Files first: a record without a file is found again here, a file without a record never.
        storage.remove_all(job.pk)
    except Exception:
        # The others are cleared away all the same, and this one is tried again.
        logger.exception("The files of %s cannot be removed yet.", job)
        return False
    with brief():
        job.files.all().delete()
        if is_still:
            Job.objects.filter(pk=job.pk).update(files_removed_at=Now())
    return True
