"""A worker whose turn it is, without a worker: takes a shard and writes it."""

import uuid

from django.conf import settings

from exports.models import Job, Shard
from exports.pipeline import leases, write


def take_and_write(shard_id: int) -> Job | None:
    """The job whose shard was written; None if another has it, or has written it."""
    shard, holder = Shard.objects.select_related("job").get(pk=shard_id), uuid.uuid4()
    return write.write(shard, holder) if leases.take(shard, holder=holder, lease=settings.EXPORT_LEASE) else None
