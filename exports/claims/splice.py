"""Joins compressed bodies into one gzip file without reading them. Pure.

A body is a sequence of raw DEFLATE blocks that ends on a byte boundary (a full flush) and has no final block, so bodies
can follow each other. With a gzip header before them, and one empty final block and the trailer after them, they are an
ordinary single-member gzip file (RFC 1952). It is always one member: curl, wget and httpx stop at the end of the first,
without an error.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass

from isal import isal_zlib

# Deflate, no name, no time, unknown system: the same bodies always give the same file.
HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
EMPTY_FINAL_BLOCK = b"\x03\x00"
LEVEL = 3  # isal's best ratio; see docs/decisions/0002-the-claims-store.md
FAST = 1  # twice as fast and a tenth larger: for what is written once and sent once
RAW_DEFLATE = -15


@dataclass(frozen=True, slots=True)
class Body:
    """Resources, deflated, with what the trailer of a file needs to know of them."""

    resource_count: int
    raw_length: int  # bytes of NDJSON
    crc32: int  # of the NDJSON
    deflated: bytes | memoryview


def deflate(ndjson: bytes, resource_count: int, *, level: int = LEVEL) -> Body:
    """A body that holds `ndjson`, whose lines each end in a newline."""
    compressor = isal_zlib.compressobj(level, isal_zlib.DEFLATED, RAW_DEFLATE)
    deflated = compressor.compress(ndjson) + compressor.flush(isal_zlib.Z_FULL_FLUSH)
    return Body(resource_count, len(ndjson), isal_zlib.crc32(ndjson), deflated)


def inflate(deflated: bytes | memoryview) -> bytes:
    """The NDJSON of a body."""
    return isal_zlib.decompressobj(RAW_DEFLATE).decompress(deflated)


class Splice:
    """One gzip file in the making: `add` bodies, then `finish`.

    `write` receives the file's bytes in order. Memory stays constant whatever the size.
    """

    def __init__(self, write: Callable[[bytes | memoryview], object]) -> None:
        self._write = write
        self._crc32 = 0
        self.resource_count = 0
        self.raw_length = 0
        self.stored_length = 0
        self._put(HEADER)

    def add(self, body: Body) -> None:
        self._put(body.deflated)
        self._crc32 = isal_zlib.crc32_combine(self._crc32, body.crc32, body.raw_length)
        self.raw_length += body.raw_length
        self.resource_count += body.resource_count

    def finish(self) -> None:
        """Write what makes it a whole gzip file."""
        self._put(EMPTY_FINAL_BLOCK + struct.pack("<II", self._crc32, self.raw_length & 0xFFFFFFFF))

    def _put(self, data: bytes | memoryview) -> None:
        self._write(data)
        self.stored_length += len(data)
