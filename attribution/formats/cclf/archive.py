"""Reads CCLF archives: a zip with CCLF8, one record for each beneficiary, and CCLF0, which counts them. Pure.

An archive comes from outside, so nothing in it is trusted: no file is unpacked to disk, no path in it is used, and the
decompressed size is limited before and during reading. The archive's other files are never opened.
"""

import io
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from attribution.formats.base import BadFileName, Label, Promise, Row, UnreadableRoster, without_folders
from attribution.formats.cclf.names import differences, member, member_like
from attribution.identifiers import LENGTH
from attribution.problems import Problem

COUNTS, BENEFICIARIES = "0", "8"

MEMBERS_AT_MOST = 100
# The archive's directory is read in one piece. This is about twenty thousand names.
READ_AT_ONCE_AT_MOST = 2**20
COUNTS_BYTES_AT_MOST = 2**16
# Nearly two million beneficiaries, five times those of the largest organization.
BENEFICIARIES_BYTES_AT_MOST = 2**30
# Fixed-width records that differ only in the MBI shrink to about 1/180. A zip bomb reaches 1/1030.
RATIO_AT_MOST = 300
RATIO_MATTERS_FROM_BYTES = 2**20
RECORD_LENGTH_AT_MOST = 4000
# A longer line is cut here. It is still too long for any record.
LINE_AT_MOST = RECORD_LENGTH_AT_MOST + 96

_PRINTABLE = bytes(range(0x20, 0x7F))
_UNPRINTABLE = re.compile(rb"[^\x20-\x7e]")

# Some of zipfile's reasons contain names from the archive.
_REASON_AT_MOST = 300
_DAMAGED = (
    "The archive is damaged or incomplete: {what}. Send the file again as CMS delivered it, transferred in binary mode."
)


@dataclass(frozen=True, slots=True)
class CclfRoster:
    """The CCLF8 of an archive, with what CCLF0 says about it."""

    file: str
    promise: Promise
    record_length: int
    _archive: zipfile.ZipFile
    _info: zipfile.ZipInfo

    def rows(self) -> Iterator[Row | Problem]:
        """Return the records of CCLF8, one for each line. Lines end in LF or CRLF; the last one may have no end."""
        taken = 0
        with (
            _damage_in(self.file),
            self._archive.open(self._info) as inflated,
            # ZipExtFile looks for lines in Python. A buffered reader does it in C.
            io.BufferedReader(inflated, 2**18) as lines,  # type: ignore[type-var]  # has all that is needed of a raw file
        ):
            number = 0
            while line := lines.readline(LINE_AT_MOST):
                number += 1
                taken += len(line)
                record = line.rstrip(b"\r\n")
                while not line.endswith(b"\n") and (line := lines.readline(LINE_AT_MOST)):
                    taken += len(line)
                yield self._row(number, record)
        if taken != self._info.file_size:
            declared = self._info.file_size
            reason = _DAMAGED.format(what=f"the file declares {declared:,} bytes but has {taken:,}")
            raise UnreadableRoster(Problem(self.file, None, None, reason))

    def _row(self, line: int, record: bytes) -> Row | Problem:
        """Return the row of a record: its first eleven characters are the MBI. The others aren't used or checked."""
        mbi = record[:LENGTH]
        # Removing the printable bytes and looking at the rest is five times faster than searching.
        if mbi.translate(None, _PRINTABLE) and (match := _UNPRINTABLE.search(mbi)):
            column = match.start() + 1
            reason = f"The byte 0x{mbi[column - 1]:02X} is not a printable ASCII character. An MBI can't have others."
            return Problem(self.file, line, column, reason)
        if not record or record.isspace():
            return Problem(self.file, line, 1, "The line is empty. Remove it.")
        if len(record) > self.record_length and len(record.rstrip()) > self.record_length:
            reason = f"The line is longer than the {self.record_length} characters that CCLF0 states."
            return Problem(self.file, line, self.record_length + 1, reason)
        return Row(line, 1, mbi.decode("ascii").rstrip())


def open_archive(file: BinaryIO, label: Label, *, owner: str) -> CclfRoster:
    """Open an archive with a label. `owner` is how its files spell its organization. Raises UnreadableRoster."""
    with _damage_in(label.name):
        archive = zipfile.ZipFile(_Bounded(file))
        infos = _members(archive, label, owner)
    record_count, record_length = _expectations(archive, infos[COUNTS])
    file_name = without_folders(infos[BENEFICIARIES].filename)
    return CclfRoster(file_name, Promise(record_count, "CCLF0"), record_length, archive, infos[BENEFICIARIES])


def _members(archive: zipfile.ZipFile, label: Label, owner: str) -> dict[str, zipfile.ZipInfo]:
    """Return the two needed files by number. Each is there once, fits the archive's name, and is safe to decompress."""
    infos = archive.infolist()
    if len(infos) > MEMBERS_AT_MOST:
        raise _unreadable(
            label.name,
            f"The archive has {len(infos):,} files. A CCLF archive has about a dozen. "
            "Send the archive as CMS delivered it.",
        )
    found: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        base = without_folders(info.filename)
        # Files that macOS adds to archives begin with a dot and repeat the names of the others.
        if base.startswith(".") or not (".ZC0" in base or ".ZC8" in base):
            continue
        try:
            inside = member(base)
        except BadFileName as error:
            raise _unreadable(label.name, f"A file in the archive has a wrong name: {error}") from error
        for difference in differences(inside, label, owner=owner):
            raise _unreadable(base, f"{difference} Send the archive as CMS delivered it.")
        if inside.number in found:
            raise _unreadable(
                label.name, f"The archive has CCLF{inside.number} twice. Send the archive as CMS delivered it."
            )
        found[inside.number] = info
    for number in (COUNTS, BENEFICIARIES):
        if number not in found:
            looks = member_like(label, number, owner=owner)
            raise _unreadable(
                label.name,
                f"CCLF{number} is missing: no file in the archive has a name like {looks}.D….T…. "
                "Send the archive as CMS delivered it.",
            )
    _heed_limits(found[COUNTS], COUNTS_BYTES_AT_MOST)
    _heed_limits(found[BENEFICIARIES], BENEFICIARIES_BYTES_AT_MOST)
    return found


def _heed_limits(info: zipfile.ZipInfo, bytes_at_most: int) -> None:
    """Raises UnreadableRoster if a file is not safe to decompress."""
    base = without_folders(info.filename)
    if info.flag_bits & 0x1:
        raise _unreadable(base, "The file is encrypted. Send the archive without a password.")
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise _unreadable(base, f"The file is compressed with method {info.compress_type}. Use deflate (8).")
    if info.file_size > bytes_at_most:
        raise _unreadable(base, f"The file has {info.file_size:,} bytes. The limit is {bytes_at_most:,}.")
    if info.file_size > RATIO_MATTERS_FROM_BYTES and info.file_size > RATIO_AT_MOST * info.compress_size:
        raise _unreadable(
            base,
            f"The file would grow more than {RATIO_AT_MOST} times when decompressed. No roster does. It was not read.",
        )


def _expectations(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> tuple[int, int]:
    """Return what CCLF0 says about CCLF8: the number of records, and their length."""
    base = without_folders(info.filename)
    with _damage_in(base):
        content = archive.read(info)
    stated: list[tuple[int, int]] = []
    for number, line in enumerate(content.split(b"\n"), start=1):
        fields = [field.strip() for field in line.split(b"|")]
        if fields[0] != b"CCLF8":
            continue
        if len(fields) != 4 or not fields[2].isdigit() or not fields[3].isdigit():  # noqa: PLR2004  # described below
            reason = "The line for CCLF8 must have a name, a description, a count and a length, separated by |."
            raise UnreadableRoster(Problem(base, number, 1, reason))
        count, length = (int(field[:12]) for field in fields[2:])
        if not LENGTH <= length <= RECORD_LENGTH_AT_MOST:
            reason = f"The record length of CCLF8 is {length:,}. It must be {LENGTH} to {RECORD_LENGTH_AT_MOST:,}."
            raise UnreadableRoster(Problem(base, number, 1, reason))
        stated.append((count, length))
    if len(stated) != 1:
        raise _unreadable(
            base, f"CCLF8 is listed {len(stated)} times. CCLF0 must list it once, with its number of records."
        )
    return stated[0]


def _unreadable(file: str, reason: str) -> UnreadableRoster:
    return UnreadableRoster(Problem(file, None, None, reason))


@contextmanager
def _damage_in(file: str) -> Iterator[None]:
    """Turn what zipfile raises for a bad archive into UnreadableRoster.

    It documents BadZipFile, but also raises the errors of its parts: zlib, struct, codecs, the file.
    """
    try:
        yield
    except UnreadableRoster:
        raise
    except Exception as error:  # whatever it is, the file can't be read
        what = str(error).rstrip(".")[:_REASON_AT_MOST] or type(error).__name__
        raise _unreadable(file, _DAMAGED.format(what=what)) from error


class _Bounded:
    """The part of a binary file that zipfile uses. Refuses a read that needs much memory or is outside the file."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._length = file.seek(0, io.SEEK_END)

    def read(self, size: int = -1) -> bytes:
        if size > READ_AT_ONCE_AT_MOST:
            raise zipfile.BadZipFile(f"its directory would take {size:,} bytes")
        return self._file.read(READ_AT_ONCE_AT_MOST if size < 0 else size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_SET and not 0 <= offset <= self._length:
            raise zipfile.BadZipFile("its directory, or a file, is not where it should be")
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True
