"""The last step of a job: when nothing is left to write, its files may be fetched."""

from django.conf import settings
from django.db.models.functions import Now

from exports.models import Job


def finish(job: Job) -> bool:
    """Complete a job whose shards are all written; True for exactly one caller."""
    if job.shards.unwritten().exists():
        return False
    return job.advance(
        from_=Job.Status.IN_PROGRESS,
        to=Job.Status.COMPLETED,
        finished_at=Now(),
        expires_at=Now() + settings.EXPORT_LIFETIME,
    )
