"""Decides which file a worker writes next.

Messages to workers name no file. The database decides when a worker asks, so that a small export does not wait behind
the files of a large one, and organizations share the workers.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.db import connection

from exports.models import Job, Shard
from exports.pipeline import leases
from exports.pipeline.transactions import brief

# Any number, the same for every worker: they choose one after the other.
_CHOOSING_LOCK = 0x53484152

# The choice looks at one job of each organization, and one shard of that job, each found by an index. Its time depends
# on how many organizations wait, not on how many jobs and shards. The rows are ordered by all columns of the intended
# index, whatever statistics PostgreSQL has of the table.
_FIRST_IN_LINE = """
WITH RECURSIVE organization AS (
    (
        SELECT organization_id AS id FROM exports_job
        WHERE status = 'in_progress' ORDER BY organization_id, bytes_left, id LIMIT 1
    ) UNION ALL SELECT (
        SELECT organization_id FROM exports_job
        WHERE status = 'in_progress' AND organization_id > organization.id
        ORDER BY organization_id, bytes_left, id LIMIT 1
    ) FROM organization WHERE organization.id IS NOT NULL
), line AS MATERIALIZED (
    SELECT organization.id AS organization_id, chosen.*
    FROM organization CROSS JOIN LATERAL (
        (
            SELECT 1 AS place, job.bytes_left, job.id AS job_id, first.id AS shard_id
            FROM exports_job job CROSS JOIN LATERAL ({first_shard}) first
            WHERE job.organization_id = organization.id AND job.status = 'in_progress'
                AND job.created_at < statement_timestamp() - %(patience)s
            ORDER BY job.created_at, job.id LIMIT 1
        ) UNION ALL (
            SELECT 2 AS place, job.bytes_left, job.id AS job_id, first.id AS shard_id
            FROM exports_job job CROSS JOIN LATERAL ({first_shard}) first
            WHERE job.organization_id = organization.id AND job.status = 'in_progress'
            ORDER BY job.bytes_left, job.id LIMIT 1
        ) ORDER BY place LIMIT 1
    ) chosen
    WHERE organization.id IS NOT NULL
), writers AS (
    SELECT job.organization_id, count(*) AS count
    FROM exports_shard shard JOIN exports_job job ON job.id = shard.job_id
    WHERE shard.status = 'writing' AND shard.lease_until >= statement_timestamp() AND job.status = 'in_progress'
    GROUP BY job.organization_id
)
SELECT line.shard_id
FROM line LEFT JOIN writers ON writers.organization_id = line.organization_id
WHERE coalesce(writers.count, 0) < %(workers)s OR (SELECT count(*) FROM line) = 1
ORDER BY coalesce(writers.count, 0), line.place, line.bytes_left, line.job_id
LIMIT 1
""".format(  # noqa: S608  # no value comes from outside
    first_shard="""
        SELECT shard.id FROM exports_shard shard
        WHERE shard.job_id = job.id AND shard.status IN ('waiting', 'queued')
            AND (shard.retry_at IS NULL OR shard.retry_at <= statement_timestamp())
        ORDER BY shard.number LIMIT 1
    """
)


# Of each organization's oldest job that was never tried: first that of the organization with the fewest workers.
_TO_PLAN_FIRST = """
SELECT oldest.id FROM (
    SELECT DISTINCT ON (organization_id) organization_id, created_at, id FROM exports_job
    WHERE status = 'pending' AND plan_attempts = 0 ORDER BY organization_id, created_at, id
) oldest
ORDER BY (
    SELECT count(*) FROM exports_job job
    WHERE job.organization_id = oldest.organization_id AND job.status = 'in_progress'
), oldest.created_at, oldest.id
LIMIT 1
"""


def to_plan_first() -> int | None:
    """Return the job to plan next. One whose planning has failed is left to its own message."""
    with connection.cursor() as cursor:
        cursor.execute(_TO_PLAN_FIRST)
        found = cursor.fetchone()
    return found[0] if found else None


def take_next(holder: uuid.UUID) -> Shard | None:
    """Take the next shard for a worker that will write it. Return None if nothing can be written now."""
    with _choosing():
        shard_id = _first_in_line()
        # A shard that can't be taken was cancelled a moment ago. The next choice leaves it out.
        while shard_id and not leases.take(Shard(pk=shard_id), holder=holder, lease=settings.EXPORT_LEASE):
            shard_id = _first_in_line()
    return Shard.objects.select_related("job").get(pk=shard_id) if shard_id else None


def is_something_next() -> bool:
    """Return whether there is a shard for a worker that asks now."""
    return _first_in_line() is not None


def _first_in_line() -> int | None:
    """Return the shard to write next.

    Organizations take turns: the one with the fewest workers goes first, and while several have something to write,
    each has at most a fixed number of workers. Among the jobs of one organization, the one with the fewest bytes left
    goes first. Jobs that have waited longer than PATIENCE go before it, the oldest first.
    """
    values: dict[str, Any] = {"patience": Job.PATIENCE, "workers": settings.EXPORT_WORKERS_PER_ORGANIZATION}
    with connection.cursor() as cursor:
        cursor.execute(_FIRST_IN_LINE, values)
        found = cursor.fetchone()
    return found[0] if found else None


@contextmanager
def _choosing() -> Iterator[None]:
    """Let one worker choose at a time."""
    with brief(waits_for_disk=False), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CHOOSING_LOCK])
        yield
