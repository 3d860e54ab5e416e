"""A worker whose turn it is, without a worker: takes a shard and writes it."""

import uuid

from django.conf import settings

from exports.models import Job, Shard
from exports.pipeline import leases, write


def take_and_write(shard_id: int) -> Job | None:
    """The job whose shard was written; None if another has it, or has written it."""
    holder = uuid.uuid4()
    if not leases.take(Shard(pk=shard_id), holder=holder, lease=settings.EXPORT_LEASE):
        return None
    return write.write(Shard.objects.select_related("job").get(pk=shard_id), holder)
