"""Where the lines of a load wait for their order: temporary files without names, gone when the process ends.

The lines of one Patient all lie in one of them, so that those of a beneficiary are read from one neighbourhood of the
disk, however many files they came in.
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
    """There is no room for the lines of a load; the message says where and what to do."""


class Spool:
    """Takes lines and gives them back. Readable by this account alone, and by no path at all."""

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
                # The disk is full, and what could not be written is not wanted any more.
                continue

    @staticmethod
    def number(patient: str) -> int:
        """In which of the files the lines of a Patient lie."""
        return crc32(patient.encode()) % FILES

    def put(self, number: int, line: bytes) -> int:
        """Keep a line; its place in the file. Raises SpoolFullError."""
        place = self._ends[number]
        try:
            self._files[number].write(line)
        except OSError as error:
            raise self._explained(error) from error
        self._ends[number] = place + len(line)
        return place

    def flush(self) -> None:
        """Call it before the first `get`. Raises SpoolFullError."""
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
