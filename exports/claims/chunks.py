"""Chunks as rows: what they were joined from, and how they are written."""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from django.db import connection
from isal import isal_zlib
from psycopg.types.json import Jsonb

from exports.claims.models import Chunk
from exports.claims.splice import Body

_COLUMNS = {
    "version": "int2", "variant": "text", "resource_type": "text", "beneficiary_id": "int8", "load_id": "int8",
    "first_updated": "timestamptz", "last_updated": "timestamptz",
    "first_service_date": "date", "last_service_date": "date",
    "resource_count": "int4", "raw_length": "int4", "crc32": "int8", "segments": "jsonb", "body": "bytea",
}  # fmt: skip


class Recorded(msgspec.Struct):
    """A segment as its chunk's row describes it."""

    last_updated: dt.datetime
    resource_count: int
    raw_length: int
    crc32: int
    stored_length: int


_decode = msgspec.json.Decoder(list[Recorded]).decode


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a chunk with one `lastUpdated`."""

    last_updated: dt.datetime
    body: Body

    @staticmethod
    def joined(segments: Sequence["Segment"]) -> dict[str, Any]:
        """The fields of a chunk that depend on its content. Segments come oldest first."""
        body = join([segment.body for segment in segments])
        recorded = [
            Recorded(
                segment.last_updated,
                segment.body.resource_count,
                segment.body.raw_length,
                segment.body.crc32,
                len(segment.body.deflated),
            )
            for segment in segments
        ]
        return {
            "first_updated": segments[0].last_updated,
            "last_updated": segments[-1].last_updated,
            "resource_count": body.resource_count,
            "raw_length": body.raw_length,
            "crc32": body.crc32,
            "segments": msgspec.to_builtins(recorded) if len(recorded) > 1 else None,
            "body": body.deflated,
        }


def join(bodies: Sequence[Body]) -> Body:
    """Return several bodies as one."""
    if len(bodies) == 1:
        return bodies[0]
    crc32 = 0
    for body in bodies:
        crc32 = isal_zlib.crc32_combine(crc32, body.crc32, body.raw_length)
    return Body(
        sum(body.resource_count for body in bodies),
        sum(body.raw_length for body in bodies),
        crc32,
        b"".join(body.deflated for body in bodies),
    )


def segments_of(chunk: Chunk) -> list[Segment]:
    """Return the segments of a chunk; for a chunk from one load, itself."""
    whole = Body(chunk.resource_count, chunk.raw_length, chunk.crc32, chunk.body)
    if chunk.segments is None:
        return [Segment(chunk.last_updated, whole)]
    return cut_apart(whole, msgspec.convert(chunk.segments, list[Recorded], strict=False))


def newer(body: Body, recorded: bytes | memoryview, since: dt.datetime) -> Body:
    """Return the part of a joined body updated after `since`; `recorded` is its chunk's `segments`, as JSON."""
    return join([each.body for each in cut_apart(body, _decode(recorded)) if each.last_updated > since])


def cut_apart(body: Body, recorded: Iterable[Recorded]) -> list[Segment]:
    """Cut a joined body at its seams. No byte of it is read."""
    segments: list[Segment] = []
    place = 0
    for each in recorded:
        end = place + each.stored_length
        part = Body(each.resource_count, each.raw_length, each.crc32, memoryview(body.deflated)[place:end])
        segments.append(Segment(each.last_updated, part))
        place = end
    return segments


def write_chunks(chunks: Iterable[Chunk]) -> None:
    """Write new rows with one COPY."""
    copying = f"COPY exports_chunk ({', '.join(_COLUMNS)}) FROM STDIN (FORMAT binary)"
    with connection.cursor() as cursor, cursor.copy(copying) as copy:
        copy.set_types([*_COLUMNS.values()])
        for chunk in chunks:
            copy.write_row([_value(chunk, name) for name in _COLUMNS])


def _value(chunk: Chunk, name: str) -> Any:
    value = getattr(chunk, name)
    return Jsonb(value) if name == "segments" and value is not None else value
