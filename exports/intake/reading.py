"""Finds NDJSON files and reads their lines, plain or gzip."""

import gzip
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BufferedReader, FileIO
from pathlib import Path
from stat import S_ISREG
from typing import IO, cast

from isal import igzip
from isal.igzip_lib import IsalError

LONGEST_LINE = 16 * 2**20  # bytes, with the newline
TOO_LONG = (
    f"The line has more than {LONGEST_LINE:,} bytes. No resource is that long. Put each resource on its own line."
)
_GZIP = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BUFFER_BYTES = 2**20
# How often progress is reported, in bytes.
_STEP_BYTES = 4 * 2**20


class NothingToLoadError(ValueError):
    """There is nothing to read; the message says where."""


class BrokenFileError(OSError):
    """A file can't be read to its end: the line where reading stopped, and why."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


@dataclass(frozen=True, slots=True)
class ClaimFile:
    """A file to load. `name` is its path as given, safe to show; `length` is its size on the disk, in bytes."""

    path: Path
    name: str
    length: int


def find(paths: Sequence[Path]) -> list[ClaimFile]:
    """Return the files in `paths`, those of folders sorted by name, each once. Raises NothingToLoadError.

    Every file in a folder counts, whatever its name, except hidden ones: a file that is not NDJSON should be noticed.
    """
    found: dict[str, ClaimFile] = {}
    for path in paths:
        files = [*_walk(path)] if path.is_dir() else [path]
        if not files:
            raise NothingToLoadError(f"{_shown(path)} has no files. Use NDJSON files, or folders that have some.")
        for file in files:
            found.setdefault(os.path.realpath(file), ClaimFile(file, _shown(file), _length(file)))
    return [*found.values()]


def _length(file: Path) -> int:
    try:
        facts = file.stat()
    except OSError as error:
        reason = error.strerror
    else:
        if S_ISREG(facts.st_mode):
            return facts.st_size
        reason = "This is not a regular file"
    raise NothingToLoadError(f"{_shown(file)}: {reason}. Use NDJSON files, or folders that have some.")


def _shown(path: Path) -> str:
    """Return a path to show: none of its characters can control a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(path))


def _walk(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder and its folders. Links to folders are followed, but never in a circle."""
    entered: set[str] = set()
    for parent, folders, files in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(parent)) in entered:
            folders.clear()
            continue
        entered.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(parent, name) for name in sorted(files) if not name.startswith("."))


def lines(file: ClaimFile, *, on_bytes: Callable[[int], None]) -> Iterator[tuple[int, bytes | None]]:
    """Yield the non-blank lines of a file, numbered from 1, each ending in one newline. Raises BrokenFileError.

    A carriage return before the newline and a byte order mark are left out. None stands for a line that is longer than
    LONGEST_LINE. `on_bytes` is called now and then with how many more bytes of the file were read.
    """
    number = told = 0
    try:
        with BufferedReader(FileIO(file.path), _BUFFER_BYTES) as stored, _text(stored) as text:
            while line := text.readline(LONGEST_LINE + 1):
                number += 1
                if len(line) > LONGEST_LINE:
                    _skip_rest(text, line)
                    yield number, None
                elif not line.isspace():
                    yield number, _ended(line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line)
                if (place := stored.tell()) >= told + _STEP_BYTES:
                    on_bytes(place - told)
                    told = place
            on_bytes(stored.tell() - told)
    except (EOFError, IsalError, gzip.BadGzipFile):  # type: ignore[misc]  # its types have the class as a value
        reason = "The gzip file ends here or is damaged. Download it or compress it again."
        raise BrokenFileError(number + 1, reason) from None
    except OSError as error:
        reason = f"The file can't be read: {error.strerror or error}. The rest of it was not checked."
        raise BrokenFileError(number + 1, reason) from error


def _text(stored: "BufferedReader[FileIO]") -> IO[bytes]:
    """Open the file, decompressed if it is gzip, whatever its name."""
    if stored.peek(2)[:2] != _GZIP:
        return stored
    return cast("IO[bytes]", igzip.open(stored, "rb"))  # type: ignore[no-untyped-call]  # isal has no types here


def _skip_rest(text: IO[bytes], line: bytes) -> None:
    while line and not line.endswith(b"\n"):
        line = text.readline(LONGEST_LINE)


def _ended(line: bytes) -> bytes:
    """Return a line with a single newline at its end."""
    if line.endswith(b"\n") and not line.endswith(b"\r\n"):
        return line
    return line.rstrip(b"\r\n") + b"\n"
