"""The middle step of a job: write one shard into one file, at the speed of copying bytes."""

import contextlib
import datetime as dt
import logging
import threading
import uuid
from collections.abc import Iterator
from typing import Self

from django.conf import settings
from django.db import connection
from django.db.models import Min

from attribution.consent.opt_outs import Asked
from exports import storage
from exports.claims.cutting import ServiceDates, cut
from exports.claims.splice import Body, Splice
from exports.models import Job, Shard
from exports.pipeline import leases, shortfalls
from exports.pipeline.plan import pieces_of
from exports.pipeline.transactions import brief
from exports.sources import Shortfall

# How often a writing worker renews its lease, and learns whether the job has ended.
HEARTBEAT_SECONDS = 0.5

logger = logging.getLogger(__name__)


class LeaseLostError(RuntimeError):
    """Another worker has taken the shard, or the job has ended."""


class IncompleteError(RuntimeError):
    """What was written differs from the plan. The file was deleted."""


class Heartbeat:
    """Renews the lease of a shard in its own thread, while the worker copies."""

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
        """Raise LeaseLostError if the lease is lost."""
        if self._lost:
            raise LeaseLostError(f"{self._shard} now belongs to another worker, or its job has ended.")

    def _run(self) -> None:
        try:
            while not self._over.wait(HEARTBEAT_SECONDS):
                with brief(waits_for_disk=False):
                    kept = leases.renew(
                        self._shard, holder=self._holder, lease=settings.EXPORT_LEASE, bytes_written=self.bytes_written
                    )
                if not kept:
                    self._lost = True
                    return
        except Exception:
            # A lease that can't be renewed expires. Stop, instead of writing without one.
            self._lost = True
            logger.exception("The lease of %s can't be renewed.", self._shard)
        finally:
            connection.close()  # this thread's own


def write(shard: Shard, holder: uuid.UUID) -> Job | None:
    """Write a shard that the holder has taken. Return its job, or None if the shard was lost or its job has ended."""
    try:
        # Before anything is read: then what is read leaves out everyone who had opted out by now.
        asked = _asked(shard)
        with (
            _giving_back(shard, holder),
            Heartbeat(shard, holder) as heartbeat,
            # On S3, the upload happens at the end of this block.
            storage.writing(shard.job_id, shard.file_name) as file,
        ):
            splice, missed = Splice(file.write), list[Shortfall]()
            _copy(shard, splice, missed, heartbeat)
            splice.finish()
        handed_in = _hand_in(shard, holder, splice, asked, shortfalls.body_of(shard, missed))
    except LeaseLostError as lost:
        logger.info("%s", lost)
        handed_in = False
    if not handed_in:
        _clear_away(shard, holder)
    elif not splice.resource_count:
        # The filters left nothing, and the manifest does not list empty files.
        storage.remove(shard.job_id, shard.file_name)
    return shard.job if handed_in else None


def _copy(shard: Shard, splice: Splice, missed: list[Shortfall], heartbeat: Heartbeat) -> None:
    """Copy from the source into the file. Raises LeaseLostError, and IncompleteError if anything is missing.

    What the source could not get is not missing, but said.
    """
    resource_count = raw_length = 0
    dates = ServiceDates(shard.job.claims_from_date, shard.job.claims_through_date)
    for piece in pieces_of(shard):
        heartbeat.check()
        if isinstance(piece, Shortfall):
            missed.append(piece)
            continue
        resource_count += piece.body.resource_count
        raw_length += piece.body.raw_length
        if not piece.is_withheld:
            splice.add(cut(piece.body, dates) if piece.is_cut else piece.body)
        heartbeat.bytes_written = raw_length
    # A part of unknown size is whole when its source has come to the end without an error.
    if shard.is_sized and (raw_length, resource_count) != (shard.raw_length, shard.resource_count):
        raise IncompleteError(
            f"{shard} has {resource_count} resources, {raw_length} bytes. "
            f"Planned: {shard.resource_count} resources, {shard.raw_length} bytes."
        )


@contextlib.contextmanager
def _giving_back(shard: Shard, holder: uuid.UUID) -> Iterator[None]:
    """Make sure that the shard can be taken again after an error: after a rest, or at once if its worker must stop.

    Raises LeaseLostError for every error with a file whose job has ended: the file may have been removed.
    """
    try:
        yield
    except LeaseLostError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"[:200]
        if _is_wanted(shard) and leases.let_go(
            shard, holder=holder, error=reason, rest=settings.EXPORT_MESSAGE_PATIENCE
        ):
            raise
        raise LeaseLostError(f"{shard} now belongs to another worker, or its job has ended. {reason}") from error
    except BaseException as error:
        leases.let_go(shard, holder=holder, error=f"{type(error).__name__}: {error}"[:200])
        raise


def _asked(shard: Shard) -> Asked:
    """Return when consent is asked for. What goes into the errors was asked for with the other files."""
    if shard.kind != Shard.Kind.ERROR:
        return shard.job.cohort.consent.asked()
    written = shard.job.shards.exclude(pk=shard.pk).exclude(asked_on=None)
    first = written.aggregate(change_id=Min("asked_change_id"), day=Min("asked_on"))
    return Asked(first["change_id"] or 0, first["day"] or dt.date.min)


def _hand_in(shard: Shard, holder: uuid.UUID, splice: Splice, asked: Asked, said: Body | None) -> bool:
    """Record the finished file. Return False if the shard was lost."""
    with brief(waits_for_disk=False):
        return leases.hand_in(
            shard,
            holder=holder,
            resource_count=splice.resource_count,
            raw_length=splice.raw_length,
            stored_length=splice.stored_length,
            asked=asked,
            outcomes=said,
        )


def _clear_away(shard: Shard, holder: uuid.UUID) -> None:
    """Remove the file, and then the lease. Another worker's file has another name."""
    storage.remove(shard.job_id, shard.file_name)
    leases.let_go(shard, holder=holder)


def _is_wanted(shard: Shard) -> bool:
    shard.job.refresh_from_db(fields=["status"])
    return shard.job.status in (Job.Status.IN_PROGRESS, Job.Status.COMPLETED)
