"""The claims store as a source: chunks leave PostgreSQL by one binary COPY and are not looked into."""

import struct
from collections.abc import Iterator
from typing import Any

from django.db import connection

from exports.claims.splice import Body
from exports.sources.base import Part, Selection

# PostgreSQL's binary COPY: a signature with two empty words, then rows; a row is its number of fields and, for each
# field, its length and its bytes. The server sends each row as one message.
_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_HEADER_LENGTH = len(_SIGNATURE) + 8
_ROW = struct.Struct("!h ii ii iq i")  # fields; resource_count; raw_length; crc32; the body's length
_END = b"\xff\xff"


class ClaimsStore:
    """The chunks of PostgreSQL (exports.claims.models.Chunk)."""

    def parts(self, selection: Selection, *, file_bytes: int) -> list[Part]:
        chosen, values = _chosen(selection)
        query = f"""
            WITH sized AS (
                SELECT chunk.beneficiary_id,
                       sum(chunk.resource_count)::bigint AS resource_count,
                       sum(chunk.raw_length)::bigint AS raw_length
                {chosen}
                GROUP BY chunk.beneficiary_id
            ), placed AS (
                SELECT *, div(sum(raw_length) OVER (ORDER BY beneficiary_id) - raw_length, %(file_bytes)s) AS part
                FROM sized
            )
            SELECT min(beneficiary_id), max(beneficiary_id), sum(resource_count)::bigint, sum(raw_length)::bigint
            FROM placed GROUP BY part ORDER BY part
        """  # noqa: S608  # fixed text; the values are bound
        with connection.cursor() as cursor:
            cursor.execute(query, {**values, "file_bytes": file_bytes})
            return [Part(*row) for row in cursor.fetchall()]

    def bodies(self, selection: Selection) -> Iterator[Body]:
        chosen, values = _chosen(selection)
        query = f"""
            COPY (
                SELECT chunk.resource_count, chunk.raw_length, chunk.crc32, chunk.body
                {chosen}
                ORDER BY chunk.beneficiary_id, chunk.last_updated
            ) TO STDOUT (FORMAT binary)
        """  # fixed text; the values are bound
        with connection.cursor() as cursor, cursor.copy(query, values) as copy:
            for message in copy:
                row = memoryview(message)
                if row[: len(_SIGNATURE)] == _SIGNATURE:
                    row = row[_HEADER_LENGTH:]
                if not row or row == _END:
                    continue
                _, _, resource_count, _, raw_length, _, crc32, _ = _ROW.unpack_from(row)
                yield Body(resource_count, raw_length, crc32, row[_ROW.size :])


def _chosen(selection: Selection) -> tuple[str, dict[str, Any]]:
    """The FROM and WHERE of a selection, and the values to bind.

    The roster is part of every such query: a beneficiary who is not on it cannot come out.
    """
    conditions = [
        "entry.roster_id = %(roster_id)s",
        "chunk.version = %(version)s",
        "chunk.resource_type = %(resource_type)s",
        "chunk.load_id <= %(as_of_load_id)s",
        "(chunk.superseded_by_id IS NULL OR chunk.superseded_by_id > %(as_of_load_id)s)",
    ]
    if selection.earlier_roster_id is not None:
        conditions.append(f"""{"" if selection.on_earlier_roster else "NOT"} EXISTS (
            SELECT FROM attribution_rosterentry earlier
            WHERE earlier.roster_id = %(earlier_roster_id)s AND earlier.beneficiary_id = entry.beneficiary_id
        )""")
    if selection.since is not None:
        conditions.append("chunk.last_updated > %(since)s")
    if selection.first_beneficiary_id is not None:
        conditions.append("entry.beneficiary_id BETWEEN %(first_beneficiary_id)s AND %(last_beneficiary_id)s")
    values = {name: getattr(selection, name) for name in Selection.__slots__}
    joined = "attribution_rosterentry entry JOIN exports_chunk chunk ON chunk.beneficiary_id = entry.beneficiary_id"
    return f"FROM {joined} WHERE {' AND '.join(conditions)}", values
