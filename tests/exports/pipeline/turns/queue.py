"""Who is in the queue, and for how much."""

import uuid

from exports.models import Job
from exports.pipeline import turns


def take() -> Job | None:
    shard = turns.take_next(uuid.uuid4())
    return shard.job if shard else None


def bytes_left(job: Job) -> int:
    job.refresh_from_db()
    return job.bytes_left
