"""The middle step of a job: write one shard into one file, at the speed of copying bytes."""

import contextlib
import datetime as dt
import logging
import threading
import uuid
from collections.abc import Iterator
from typing import Self

from django.db import connection, transaction

from exports import storage
from exports.claims.splice import Splice
from exports.models import Job, OutputFile, Shard
from exports.pipeline.plan import selection_of
from exports.sources import SOURCES

# How long a worker may be silent before another takes its shard, and how often it speaks.
LEASE = dt.timedelta(seconds=15)
HEARTBEAT_SECONDS = 0.5

logger = logging.getLogger(__name__)


class LeaseLostError(RuntimeError):
    """Another worker has taken the shard, or the job is no longer wanted."""


class IncompleteError(RuntimeError):
    """What was written is not what was planned; the file was thrown away."""


class Heartbeat:
    """Renews the lease of a shard from a thread of its own, while the shard's worker is busy copying."""

    def __init__(self, shard: Shard, holder: uuid.UUID) -> None:
        self._shard = shard
        self._holder = holder
        self._over = threading.Event()
        self._lost = False
        self._thread = threading.Thread(target=self._run, name=f"heartbeat of {shard}", daemon=True)
        self.bytes_written = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        self._thread.join()

    def check(self) -> None:
        """Raise LeaseLostError once the lease is gone."""
        if self._lost:
            raise LeaseLostError(f"{self._shard} is no longer ours to write.")

    def _run(self) -> None:
        try:
            while not self._over.wait(HEARTBEAT_SECONDS):
                if not self._shard.renew(holder=self._holder, lease=LEASE, bytes_written=self.bytes_written):
                    self._lost = True
                    return
        except Exception:
            # A lease that cannot be renewed runs out; better to stop than to write without one.
            self._lost = True
            logger.exception("The lease of %s cannot be renewed.", self._shard)
        finally:
            connection.close()  # this thread's own


def write(shard_id: int) -> Job | None:
    """Write a shard, unless another worker does or has; the job whose shard was written, or None."""
    shard = Shard.objects.select_related("job").get(pk=shard_id)
    holder = uuid.uuid4()
    if not shard.take(holder=holder, lease=LEASE):
        return None
    try:
        with _giving_back(shard, holder), storage.writing(shard.job_id, shard.file_name) as file:
            with Heartbeat(shard, holder) as heartbeat:
                splice = Splice(file.write)
                for body in SOURCES["store"].bodies(selection_of(shard)):
                    heartbeat.check()
                    splice.add(body)
                    heartbeat.bytes_written = splice.raw_length
            splice.finish()
            if (splice.raw_length, splice.resource_count) != (shard.raw_length, shard.resource_count):
                raise IncompleteError(
                    f"{shard} has {splice.resource_count} resources, {splice.raw_length} bytes; "
                    f"planned were {shard.resource_count}, {shard.raw_length}."
                )
        handed_in = _hand_in(shard, holder, stored_length=splice.stored_length)
    except LeaseLostError:
        handed_in = False
    if not handed_in:
        _clear_away(shard)
    return shard.job if handed_in else None


@contextlib.contextmanager
def _giving_back(shard: Shard, holder: uuid.UUID) -> Iterator[None]:
    """Whatever goes wrong inside, the shard can be taken again at once."""
    try:
        yield
    except LeaseLostError:
        raise
    except BaseException as error:
        shard.let_go(holder=holder, error=f"{type(error).__name__}: {error}"[:200])
        raise


@transaction.atomic
def _hand_in(shard: Shard, holder: uuid.UUID, *, stored_length: int) -> bool:
    """Record the finished file; False if the shard is not ours any more."""
    handed_in = Shard.objects.filter(
        pk=shard.pk, status=Shard.Status.WRITING, lease_holder=holder, job__status=Job.Status.IN_PROGRESS
    ).update(
        status=Shard.Status.WRITTEN, lease_holder=None, lease_until=None, bytes_written=shard.raw_length, last_error=""
    )
    if not handed_in:
        return False
    OutputFile.objects.create(
        shard=shard,
        job=shard.job,
        name=shard.file_name,
        resource_type=shard.resource_type,
        resource_count=shard.resource_count,
        raw_length=shard.raw_length,
        stored_length=stored_length,
    )
    return True


def _clear_away(shard: Shard) -> None:
    """Leave no file of a job that has been cancelled; one that another worker writes is the same file."""
    shard.job.refresh_from_db(fields=["status"])
    if shard.job.status not in (Job.Status.IN_PROGRESS, Job.Status.COMPLETED):
        storage.remove(shard.job_id, shard.file_name)
