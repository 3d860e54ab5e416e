"""Merges old loads: fewer rows for each beneficiary, and no rows that no export can see any more.

Rows are joined along seams, byte for byte (see Segment). A `_since` between two old loads still finds exactly what came
after it, and a running export writes the same bytes.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from credentials.isolation import isolated
from exports.claims.chunks import Segment, segments_of, write_chunks
from exports.claims.loader import lock_loads
from exports.claims.models import Chunk, Load

# How many rows of one beneficiary and type are worth a merge: each merge rewrites all of them.
WORTH = 4
# How many groups of rows are merged in one transaction.
BATCH = 500

_Key = tuple[int, str, int, str]  # version, resource type, beneficiary, variant


def compact(*, oldest_in_use: int | None, keep: dt.timedelta | None = None, worth: int = WORTH) -> int:
    """Merge loads that are older than `keep` (CLAIMS_UNDO). Return how many chunks that made.

    `oldest_in_use` is the oldest load that a running export uses. Later ones are not changed.
    """
    last = _last_load(oldest_in_use, settings.CLAIMS_UNDO if keep is None else keep)
    if last is None:
        return 0
    with transaction.atomic():
        lock_loads()
        Load.objects.filter(pk__lte=last.pk, closed_at=None).update(closed_at=Now())
    _discard(last)
    merged = 0
    after: _Key = (0, "", 0, "")
    while keys := _keys(last, after, worth):
        merged += _merge_what_can_be(last, keys)
        after = keys[-1]
    return merged


def _last_load(oldest_in_use: int | None, keep: dt.timedelta) -> Load | None:
    """Return the newest load that can be merged. A load that reverted another one goes together with it."""
    old = Load.objects.filter(loaded_at__lt=Now() - keep)
    if oldest_in_use is not None:
        old = old.filter(pk__lte=oldest_in_use)
    return old.order_by("-id").first()


def _discard(last: Load) -> None:
    """Remove the rows that were replaced before any export that can still be requested."""
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                """
                DELETE FROM exports_chunk WHERE (resource_type, ctid) IN (
                    SELECT resource_type, ctid FROM exports_chunk WHERE superseded_by_id <= %s LIMIT %s
                )
                """,
                [last.pk, 10 * BATCH],
            )
            if not cursor.rowcount:
                return


def _keys(last: Load, after: _Key, worth: int) -> list[_Key]:
    """Return the next beneficiaries whose rows are worth a merge.

    Some beneficiaries have, among their old rows, one that can't be merged yet: a later load replaced it or wrote the
    rest of it. They wait until that load is old, too, so that a running export finds everything in its order.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT version, resource_type, beneficiary_id, variant FROM (
                SELECT *, superseded_by_id IS NULL AND load_id <= %s AS is_old FROM exports_chunk
            ) chunk
            WHERE (version, resource_type, beneficiary_id, variant) > (%s, %s, %s, %s)
            GROUP BY version, resource_type, beneficiary_id, variant
            HAVING count(*) FILTER (WHERE is_old) >= %s
               AND coalesce(min(last_updated) FILTER (WHERE NOT is_old), 'infinity')
                   > max(last_updated) FILTER (WHERE is_old)
            ORDER BY version, resource_type, beneficiary_id, variant LIMIT %s
            """,
            [last.pk, *after, worth, BATCH],
        )
        return [
            (version, resource_type, beneficiary_id, variant)
            for version, resource_type, beneficiary_id, variant in cursor.fetchall()
        ]


def _merge_what_can_be(last: Load, keys: Sequence[_Key]) -> int:
    """Merge these together. If that fails, try each half. Rows that can't be merged stay as they are."""
    merged: int | None = None
    with isolated("The merge of", keys if len(keys) == 1 else f"{len(keys)} groups of rows"):
        merged = _merge(last, keys)
    if merged is not None or len(keys) == 1:
        return merged or 0
    half = len(keys) // 2
    return _merge_what_can_be(last, keys[:half]) + _merge_what_can_be(last, keys[half:])


def _merge(last: Load, keys: Sequence[_Key]) -> int:
    """Join the old rows of each of these beneficiaries into one."""
    with transaction.atomic():
        # No load replaces anything at the same time.
        lock_loads()
        old = Chunk.objects.filter(_of(keys), superseded_by=None, load__lte=last)
        merged = list(_merged(old.order_by("version", "resource_type", "beneficiary_id", "variant", "last_updated")))
        old.delete()
        write_chunks(merged)
        return len(merged)


def _of(keys: Sequence[_Key]) -> Q:
    """Return the rows of these beneficiaries, each of its version, type and variant."""
    of_series: dict[tuple[int, str, str], list[int]] = {}
    for version, resource_type, beneficiary_id, variant in keys:
        of_series.setdefault((version, resource_type, variant), []).append(beneficiary_id)
    chosen = Q()
    for (version, resource_type, variant), whose in of_series.items():
        chosen |= Q(version=version, resource_type=resource_type, variant=variant, beneficiary_id__in=whose)
    return chosen


def _merged(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    def key(chunk: Chunk) -> _Key:
        return chunk.version, chunk.resource_type, chunk.beneficiary_id, chunk.variant

    for (version, resource_type, beneficiary_id, variant), group in groupby(chunks, key):
        rows = list(group)
        firsts = [row.first_service_date for row in rows]
        lasts = [row.last_service_date for row in rows]
        yield Chunk(
            version=version,
            variant=variant,
            resource_type=resource_type,
            beneficiary_id=beneficiary_id,
            # Visible to every export that could see all of them.
            load_id=max(row.load_id for row in rows),
            first_service_date=None if None in firsts else min(filter(None, firsts)),
            last_service_date=None if None in lasts else max(filter(None, lasts)),
            **Segment.joined([segment for row in rows for segment in segments_of(row)]),
        )
