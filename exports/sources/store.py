"""The claims store as a source: one binary COPY reads chunks from PostgreSQL, without looking into them."""

import datetime as dt
import struct
from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any

from django.db import connection
from psycopg import Copy, errors

from exports.claims.chunks import newer
from exports.claims.loader import no_load_is_running
from exports.claims.models import FULL, Chunk, Deletion, Load
from exports.claims.splice import Body
from exports.fhir.common.lines import SERVICE_DATED
from exports.sources.base import EVERYBODY, Moment, Piece, Selection, SourcePart
from exports.sources.deletions import Deletions

# PostgreSQL's binary COPY: a signature with two empty words, then rows. A row is its number of fields and, for each
# field, its length and its bytes. The server sends each row as one message.
_SIGNATURE = b"PGCOPY\n\xff\r\n\0"
_HEADER_LENGTH = len(_SIGNATURE) + 8
_ROW = struct.Struct("!h ii ii iq i? i")  # fields; resource_count; raw_length; crc32; is_cut; the length of segments
_LENGTH = struct.Struct("!i")
_NULL = -1
_NO_BODY = _LENGTH.pack(_NULL)
_END = b"\xff\xff"


class ClaimsStore:
    """The chunks in PostgreSQL (exports.claims.models.Chunk)."""

    name = "store"
    removals = Deletions()

    def moment(self) -> Moment:
        # Loads run one after the other, so the newest visible one has all others before it.
        is_settled = no_load_is_running()
        newest = Load.objects.latest("id")
        return Moment(newest, newest.loaded_at, is_settled=is_settled)

    def has(self, version: int, *, since: dt.datetime | None) -> bool:
        """Return whether there are claims in this version, or deletions that a client with `_since` must learn of."""
        # In the order of an index. Otherwise PostgreSQL may read all replaced chunks before it finds a current one.
        current = Chunk.objects.filter(version=version, variant=FULL, superseded_by=None)
        removed = Deletion.objects.filter(version=version, variant=FULL, is_replaced=False)
        one = current.order_by("resource_type", "beneficiary_id").values_list("version")[:1]
        return bool(one) or (since is not None and removed.exists())

    def parts(self, selection: Selection, *, file_bytes: int) -> list[SourcePart]:
        chosen, values = _chosen(selection)
        query = f"""
            WITH sized AS (
                SELECT chunk.beneficiary_id,
                       sum({_newer("resource_count", selection)})::bigint AS resource_count,
                       sum({_newer("raw_length", selection)})::bigint AS raw_length
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
            parts = [SourcePart(*row) for row in cursor.fetchall()]
        # Open at both ends, so that PostgreSQL does not estimate the only part of a selection as a small part of it.
        if parts:
            parts[0] = replace(parts[0], first_beneficiary_id=EVERYBODY[0])
            parts[-1] = replace(parts[-1], last_beneficiary_id=EVERYBODY[1])
        return parts

    def pieces(self, selection: Selection) -> Iterator[Piece]:
        chosen, values = _chosen(selection)
        # Who is withheld is in the plan, too. Counted without a body, a chunk that is missing still shows.
        body = f"CASE WHEN {selection.cohort.rendered().withheld} THEN NULL ELSE chunk.body END"
        # A chunk that compaction has joined can have some resources from before `_since`.
        seams = "CASE WHEN chunk.first_updated <= %(since)s THEN chunk.segments::text END"
        query = f"""
            COPY (
                SELECT chunk.resource_count, chunk.raw_length, chunk.crc32, {_is_cut(selection)},
                       {"NULL::text" if selection.since is None else seams}, {body}
                {chosen}
                ORDER BY chunk.beneficiary_id, chunk.last_updated
            ) TO STDOUT (FORMAT binary)
        """  # fixed text; the values are bound
        # The cursor inside Django's: with DEBUG on, Django's accepts no values here.
        with connection.cursor() as cursor, cursor.cursor.copy(query, values) as copy:
            for row in _rows(copy):
                yield _piece(row, selection)


def _rows(copy: Copy) -> Iterator[memoryview]:
    """Yield the rows as they come. Psycopg waits for the server. Rows that are already here are read directly."""
    take = copy.connection.pgconn.get_copy_data
    while True:
        length, taken = take(1)
        if length < 0:
            raise _error(copy)
        row = taken if length else memoryview(copy.read())
        if row[: len(_SIGNATURE)] == _SIGNATURE:
            row = row[_HEADER_LENGTH:]
        if row == _END:
            break
        if row:
            yield row
    copy.read()  # the end of the statement


def _error(copy: Copy) -> Exception:
    """Return the server's error when it stopped."""
    server = copy.connection.pgconn
    results = list(iter(server.get_result, None))
    return errors.error_from_result(results[0])


def _piece(row: memoryview, selection: Selection) -> Piece:
    _, _, resource_count, _, raw_length, _, crc32, _, is_cut, seams_length = _ROW.unpack_from(row)
    place = _ROW.size
    seams = None
    if seams_length != _NULL:
        seams, place = row[place : place + seams_length], place + seams_length
    is_withheld = row[place : place + _LENGTH.size] == _NO_BODY
    body = Body(resource_count, raw_length, crc32, row[place + _LENGTH.size :])
    if seams is not None:
        assert selection.since is not None  # noqa: S101  # else no seams were asked for
        body = newer(body, seams, selection.since)
    return Piece(body, is_cut, is_withheld)


def _chosen(selection: Selection) -> tuple[str, dict[str, Any]]:
    """Return the FROM and WHERE of a selection, and the values to bind.

    The cohort is part of every such query: a beneficiary who is not in it can't be exported.
    """
    cohort = selection.cohort.rendered()
    conditions = [
        cohort.condition,
        "chunk.version = %(version)s",
        "chunk.variant = %(variant)s",
        "chunk.resource_type = %(resource_type)s",
        "chunk.load_id <= %(as_of_load_id)s",
        "(chunk.superseded_by_id IS NULL OR chunk.superseded_by_id > %(as_of_load_id)s)",
    ]
    if selection.since is not None:
        conditions.append("chunk.last_updated > %(since)s")
    if selection.resource_type in SERVICE_DATED:
        # A chunk without dates must be looked into.
        if selection.claims_from_date is not None:
            conditions.append("COALESCE(chunk.last_service_date >= %(claims_from_date)s, TRUE)")
        if selection.claims_through_date is not None:
            conditions.append("COALESCE(chunk.first_service_date <= %(claims_through_date)s, TRUE)")
    if selection.first_beneficiary_id is not None:
        conditions.append("entry.beneficiary_id BETWEEN %(first_beneficiary_id)s AND %(last_beneficiary_id)s")
    joined = f"{cohort.tables} JOIN exports_chunk chunk ON chunk.beneficiary_id = entry.beneficiary_id"
    values = {each.name: getattr(selection, each.name) for each in fields(selection) if each.name != "cohort"}
    return f"FROM {joined} WHERE {' AND '.join(conditions)}", {**values, **cohort.values}


def _newer(column: str, selection: Selection) -> str:
    """Return how much of a chunk is in the selection: of a joined one, only the segments after `_since`."""
    if selection.since is None:
        return f"chunk.{column}"
    return f"""CASE WHEN chunk.first_updated > %(since)s THEN chunk.{column} ELSE (
        SELECT sum((segment ->> '{column}')::bigint) FROM jsonb_array_elements(chunk.segments) segment
        WHERE (segment ->> 'last_updated')::timestamptz > %(since)s
    ) END"""  # noqa: S608  # the column is ours


def _is_cut(selection: Selection) -> str:
    """Return whether the selection's dates fall among the resources of a chunk."""
    inside = []
    if selection.resource_type in SERVICE_DATED:
        if selection.claims_from_date is not None:
            inside.append("chunk.first_service_date >= %(claims_from_date)s")
        if selection.claims_through_date is not None:
            inside.append("chunk.last_service_date <= %(claims_through_date)s")
    return f"NOT COALESCE({' AND '.join(inside)}, FALSE)" if inside else "FALSE"
