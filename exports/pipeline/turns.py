"""Whose turn it is: which shard a worker that asks should write, and how many workers to call.

Messages to workers carry no shard. The database decides when a worker asks, so that a small export does not stand in
line behind the files of a huge one, and one organization never has all the workers.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now

from exports.models import Job, Shard
from exports.pipeline.transactions import brief

# Any number, the same for every worker: they choose one after the other.
_CHOOSING_LOCK = 0x53484152


def take_next(holder: uuid.UUID) -> Shard | None:
    """Take the shard whose turn it is, for a worker that will write it."""
    with _choosing():
        job = Job.objects.in_turn(settings.EXPORT_WORKERS_PER_ORGANIZATION).first()
        shard = job.shards.free().select_related("job").order_by("number").first() if job else None
        taken = shard is not None and shard.take(holder=holder, lease=settings.EXPORT_LEASE)
    return shard if taken else None


def call(organization_id: int) -> int:
    """How many workers to call for an organization now; they count as called until a while has passed."""
    waiting = Shard.objects.filter(
        job__organization=organization_id, job__status=Job.Status.IN_PROGRESS, status=Shard.Status.WAITING
    )
    if not waiting.exists():
        return 0
    with _choosing():
        # A message that was sent and not followed by a start for so long is taken to be lost.
        is_called = Q(sent_at__gte=Now() - settings.EXPORT_MESSAGE_PATIENCE)
        busy = Shard.objects.filter(job__organization=organization_id).busy().count()
        vacant = settings.EXPORT_WORKERS_PER_ORGANIZATION - busy - waiting.filter(is_called).count()
        uncalled = waiting.exclude(is_called).order_by("job__created_at", "job", "number")
        chosen = list(uncalled.values_list("pk", flat=True)[: max(0, vacant)])
        return Shard.objects.filter(pk__in=chosen).update(sent_at=Now())


@contextmanager
def _choosing() -> Iterator[None]:
    """One worker chooses at a time."""
    with brief(waits_for_disk=False), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CHOOSING_LOCK])
        yield
