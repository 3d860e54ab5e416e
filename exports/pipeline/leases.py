"""Leases: a worker that writes a shard holds one, and renews it while it writes. If the lease expires, it is lost.

Each function is one statement that changes the shard only from the expected state, and returns whether it did: of two
workers that try, exactly one succeeds. The database's clock decides, because the workers' clocks can differ.
"""

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any

from django.db import connection
from django.db.models.functions import Now

from attribution.consent.opt_outs import Asked
from exports.claims.splice import Body
from exports.models import Job, Shard


def take(shard: Shard, *, holder: uuid.UUID, lease: dt.timedelta) -> bool:
    """Take the lease, unless another worker is writing the shard or has written it. Read the shard after this.

    Each attempt has a file of its own: a worker that has lost its lease and does not know yet can't replace the file of
    the next one. What a source gives can differ from one attempt to the next.
    """
    # Raw SQL, as in `hand_in`: a small file takes ten milliseconds, and building these two queries took four of them.
    return _change(
        """
        UPDATE exports_shard shard
        SET status = 'writing', lease_holder = %(holder)s, lease_until = statement_timestamp() + %(lease)s,
            attempts = attempts + 1, bytes_written = 0, retry_at = NULL,
            file_name = gen_random_uuid() || '.ndjson'
        FROM exports_job job
        WHERE shard.id = %(id)s AND job.id = shard.job_id AND job.status = 'in_progress'
            AND (
                shard.status IN ('waiting', 'queued')
                OR shard.status = 'writing' AND shard.lease_until < statement_timestamp()
            )
        """,
        {"id": shard.pk, "holder": holder, "lease": lease},
    )


def hand_in(
    shard: Shard,
    *,
    holder: uuid.UUID,
    resource_count: int,
    raw_length: int,
    stored_length: int,
    asked: Asked,
    outcomes: Body | None = None,
) -> bool:
    """Record the finished file, unless it is empty, when consent was asked for, and what its source could not get.

    Return False if the holder has lost the shard.
    """
    return _change(
        """
        WITH written AS (
            UPDATE exports_shard shard
            SET status = 'written', lease_holder = NULL, lease_until = NULL, bytes_written = shard.raw_length,
                last_error = '', asked_change_id = %(asked_change_id)s, asked_on = %(asked_on)s
            FROM exports_job job
            WHERE shard.id = %(id)s AND job.id = shard.job_id AND job.status = 'in_progress'
                AND shard.status = 'writing' AND shard.lease_holder = %(holder)s
            RETURNING shard.*
        ), recorded AS (
            INSERT INTO exports_outputfile (
                shard_id, job_id, name, resource_type, resource_count, raw_length, stored_length, sha256, written_at
            )
            SELECT id, job_id, file_name, resource_type,
                   %(resource_count)s, %(raw_length)s, %(stored_length)s, '', statement_timestamp()
            FROM written WHERE %(resource_count)s > 0
        ), said AS (
            INSERT INTO exports_shardoutcomes (shard_id, resource_count, raw_length, crc32, body)
            SELECT id, %(said_count)s, %(said_length)s, %(said_crc32)s, %(said)s FROM written WHERE %(said_count)s > 0
            ON CONFLICT (shard_id) DO UPDATE SET resource_count = excluded.resource_count,
                raw_length = excluded.raw_length, crc32 = excluded.crc32, body = excluded.body
        ), counted AS (
            UPDATE exports_job job SET bytes_left = greatest(0, job.bytes_left - written.raw_length)
            FROM written WHERE job.id = written.job_id
        )
        SELECT FROM written
        """,
        {
            "id": shard.pk,
            "holder": holder,
            "resource_count": resource_count,
            "raw_length": raw_length,
            "stored_length": stored_length,
            "asked_change_id": asked.change_id,
            "asked_on": asked.day,
            "said_count": outcomes.resource_count if outcomes else 0,
            "said_length": outcomes.raw_length if outcomes else 0,
            "said_crc32": outcomes.crc32 if outcomes else 0,
            "said": bytes(outcomes.deflated) if outcomes else b"",
        },
    )


def let_go(shard: Shard, *, holder: uuid.UUID, error: str = "", rest: dt.timedelta = dt.timedelta()) -> bool:
    """Give the lease back, so that the shard can be taken again after a rest. Return False if it was already lost."""
    held = Shard.objects.filter(pk=shard.pk, status=Shard.Status.WRITING, lease_holder=holder)
    return bool(held.put_back(retry_at=Now() + rest, bytes_written=0, last_error=error))


def renew(shard: Shard, *, holder: uuid.UUID, lease: dt.timedelta, bytes_written: int) -> bool:
    """Renew the lease. Return False if it was lost, or the job has ended."""
    kept = Shard.objects.filter(
        pk=shard.pk, status=Shard.Status.WRITING, lease_holder=holder, job__status=Job.Status.IN_PROGRESS
    ).update(lease_until=Now() + lease, bytes_written=bytes_written)
    return bool(kept)


def _change(statement: str, values: Mapping[str, Any]) -> bool:
    """Return whether the statement changed anything."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return bool(cursor.rowcount > 0)
