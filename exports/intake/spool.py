"""Holds the lines of a load until they are in order: temporary files without names, gone when the process ends.

All lines of one Patient are in one file, so that the lines of a beneficiary are near each other on the disk, however
many files they came in.
"""

import errno
import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from zlib import crc32

FILES = 64
_BUFFER_BYTES = 2**18


class SpoolFullError(OSError):
    """There is no space for the lines of a load; the message says where and what to do."""


class Spool:
    """Stores lines and returns them. Only this account can read the files, and they have no path."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[IO[bytes]] = []
        self._ends = [0] * FILES

    def __enter__(self) -> Self:
        for _ in range(FILES):
            self._files.append(tempfile.TemporaryFile(dir=self._folder, buffering=_BUFFER_BYTES))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._files:
            try:
                file.close()
            except OSError:
                # The disk is full, and the unwritten rest is no longer needed.
                continue

    @staticmethod
    def number(patient: str) -> int:
        """Return which file has the lines of a Patient."""
        return crc32(patient.encode()) % FILES

    def put(self, number: int, line: bytes) -> int:
        """Store a line and return its place in the file. Raises SpoolFullError."""
        place = self._ends[number]
        try:
            self._files[number].write(line)
        except OSError as error:
            raise self._explained(error) from error
        self._ends[number] = place + len(line)
        return place

    def flush(self) -> None:
        """Call this before the first `get`. Raises SpoolFullError."""
        try:
            for file in self._files:
                file.flush()
        except OSError as error:
            raise self._explained(error) from error

    def get(self, number: int, place: int, length: int) -> bytes:
        return os.pread(self._files[number].fileno(), length, place)

    def _explained(self, error: OSError) -> OSError:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            return error
        return SpoolFullError(
            f"{self._folder} is full after {sum(self._ends):,} bytes. A load needs as much space there as its NDJSON "
            "has bytes before compression. Free space, or set FILE_UPLOAD_TEMP_DIR to another folder."
        )
