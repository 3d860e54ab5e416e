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
from typing import BinaryIO, NamedTuple

from attribution.formats.base import BadFileName, Label, Promise, Row, UnreadableRoster, shown, without_folders
from attribution.formats.cclf.names import differences, member, member_like, owner_in_members
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
# A longer line is taken in parts. Behind the first one there can only be blanks.
LINE_AT_MOST = RECORD_LENGTH_AT_MOST + 96

_PRINTABLE = bytes(range(0x20, 0x7F))
_UNPRINTABLE = re.compile(rb"[^\x20-\x7e]")

# An absolute path, of any operating system, or one with "..". No path is used, but no archive of CMS has such a one.
_OUTSIDE = re.compile(r"^[/\\]|^[A-Za-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)")

# Some of zipfile's reasons contain names from the archive.
_REASON_AT_MOST = 300
_DAMAGED = "The archive is damaged or incomplete: {what}. {remedy}"
_DOWNLOAD_AGAIN = "Download it again from CMS, and load it without opening it or saving it in another program."
_UNCHANGED = "Load the archive as you downloaded it from CMS, without unpacking or changing it."
# What is no archive at all often begins like something else.
_BEGINNINGS = {
    b"PK": "the download broke off at {size:,} bytes",
    b"<": "it is a web page. You were probably signed out of the portal of CMS",
    b"\x1f\x8b": "it was compressed with gzip, not as a zip archive",
}

# What zipfile says of a file without the directory that stands at an archive's end.
_NO_ZIP = "File is not a zip file"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")

# A line with nothing but these isn't a record, if no record follows it. 0x1A ends files of old systems.
_BLANK = b" \t\r\n\x1a"


@dataclass(frozen=True, slots=True)
class CclfRoster:
    """The CCLF8 of an archive, with what CCLF0 says about it."""

    file: str
    promise: Promise
    record_length: int
    _archive: zipfile.ZipFile
    _info: zipfile.ZipInfo

    def rows(self) -> Iterator[Row | Problem]:
        """Return the records of CCLF8, one for each line. Lines end in LF or CRLF; the last one may have no end.

        Blank lines at the end are no records.
        """
        taken = blank_from = number = 0
        lengths: set[int] = set()  # those of the lines so far, but not more than two
        with (
            _damage_in(self.file),
            self._archive.open(self._info) as inflated,
            # ZipExtFile looks for lines in Python. A buffered reader does it in C.
            io.BufferedReader(inflated, 2**18) as reader,  # type: ignore[type-var]  # has all that is needed of a raw file
        ):
            for number, line in enumerate(_lines(reader), start=1):
                taken += line.size
                if number == 1 and line.record.startswith(_UTF_16):
                    raise _unreadable(
                        self.file, f"The file is text in UTF-16, which CMS doesn't use. {_DOWNLOAD_AGAIN}"
                    )
                if line.is_blank:
                    blank_from = blank_from or number
                    continue
                for blank in range(blank_from, number if blank_from else 0):
                    yield Problem(self.file, blank, 1, f"The line is empty, but records follow it. {_DOWNLOAD_AGAIN}")
                blank_from = 0
                yield self._cut_off(number, line, lengths) or self._row(number, line)
                if len(lengths) < 2:  # noqa: PLR2004  # two say that there are several
                    lengths.add(_length(line.record))
        if taken != self._info.file_size:
            what = f"the file declares {self._info.file_size:,} bytes but has {taken:,}"
            raise _unreadable(self.file, _DAMAGED.format(what=what, remedy=_DOWNLOAD_AGAIN))

    def _row(self, number: int, line: "_Line") -> Row | Problem:
        """Return the row of a record: its first eleven characters are the MBI. The others aren't used or checked."""
        record = line.record
        mbi = record[:LENGTH]
        # Removing the printable bytes and looking at the rest is five times faster than searching.
        if mbi.translate(None, _PRINTABLE) and (match := _UNPRINTABLE.search(mbi)):
            column = match.start() + 1
            reason = f"The byte 0x{mbi[column - 1]:02X} is not a printable ASCII character. An MBI can't have others."
            return Problem(self.file, number, column, reason)
        if line.goes_on or (len(record) > self.record_length and _length(record.rstrip(_BLANK)) > self.record_length):
            reason = f"The line is longer than the {self.record_length} characters that CCLF0 states. {_DOWNLOAD_AGAIN}"
            return Problem(self.file, number, self.record_length + 1, reason)
        return Row(number, 1, mbi.decode("ascii").rstrip())

    def _cut_off(self, number: int, line: "_Line", lengths: set[int]) -> Problem | None:
        """Return the problem of a line without end, which is the last one, if it isn't whole.

        It is whole if it is as long as all others. If these have several lengths, it must be the last one stated.
        """
        length = _length(line.record)
        if line.has_end or lengths == {length}:
            return None
        if len(lengths) == 1 and length < min(lengths):
            how = f"it has {length:,} characters, and each of the others {min(lengths):,}"
        elif number < self.promise.row_count:
            how = f"it has no end, and CCLF0 states {self.promise.row_count:,} records"
        else:
            return None
        return Problem(self.file, number, length + 1, f"The last line is cut off: {how}. {_DOWNLOAD_AGAIN}")


class _Line(NamedTuple):
    record: bytes  # without the line's end, and not more than LINE_AT_MOST
    size: int  # in bytes, with the line's end
    has_end: bool  # a line feed, or 0x1A
    goes_on: bool  # Something stands behind LINE_AT_MOST.

    @property
    def is_blank(self) -> bool:
        return not (self.record[:LENGTH].strip(_BLANK) or self.record.strip(_BLANK) or self.goes_on)


def _lines(reader: BinaryIO) -> Iterator[_Line]:
    while part := reader.readline(LINE_AT_MOST):
        record, size, goes_on = part.rstrip(b"\r\n"), len(part), False
        while not part.endswith(b"\n") and (more := reader.readline(LINE_AT_MOST)):
            part, size, goes_on = more, size + len(more), goes_on or bool(more.strip(_BLANK))
        yield _Line(record, size, part.endswith((b"\n", b"\x1a")), goes_on)


def _length(record: bytes) -> int:
    """Return the length of a record in characters. A Ñ has two bytes in UTF-8, and one in older encodings."""
    if record.isascii():
        return len(record)
    try:
        return len(record.decode())
    except UnicodeDecodeError:
        return len(record)


def open_archive(file: BinaryIO, label: Label, *, program: str) -> CclfRoster:
    """Open the archive with a label, of an organization of a program. Raises UnreadableRoster."""
    with _damage_in(label.name, _beginning(file)):
        archive = zipfile.ZipFile(_Bounded(file))
    with _damage_in(label.name):
        infos = _members(archive, label, program)
    record_count, record_length = _expectations(archive, infos[COUNTS])
    file_name = without_folders(infos[BENEFICIARIES].filename)
    return CclfRoster(file_name, Promise(record_count, "CCLF0"), record_length, archive, infos[BENEFICIARIES])


def _beginning(file: BinaryIO) -> str:
    """Return what a file that is no archive probably is, by its first bytes. "" if nobody can know."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    first = file.read(64).lstrip()
    if not first:
        return "it is empty"
    return next((what.format(size=size) for bytes_, what in _BEGINNINGS.items() if first.startswith(bytes_)), "")


def _members(archive: zipfile.ZipFile, label: Label, program: str) -> dict[str, zipfile.ZipInfo]:
    """Return the two needed files by number. Each is there once, fits the archive's name, and is safe to decompress."""
    infos = archive.infolist()
    if len(infos) > MEMBERS_AT_MOST:
        raise _unreadable(
            label.name,
            f"The archive has {len(infos):,} files. A CCLF archive has about a dozen. {_UNCHANGED}",
        )
    found: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        if _OUTSIDE.search(info.filename):
            raise _unreadable(
                label.name, f"A file in the archive has a path to outside it: {shown(info.filename)}. {_UNCHANGED}"
            )
        base = without_folders(info.filename)
        # Files that macOS adds to archives begin with a dot and repeat the names of the others.
        if base.startswith(".") or not (".ZC0" in base or ".ZC8" in base):
            continue
        try:
            inside = member(base)
        except BadFileName as error:
            raise _unreadable(label.name, f"A file in the archive has a wrong name: {error} {_UNCHANGED}") from error
        for difference in differences(inside, label, program=program):
            raise _unreadable(base, difference)
        if inside.number in found:
            raise _unreadable(label.name, f"The archive has CCLF{inside.number} twice. {_UNCHANGED}")
        found[inside.number] = info
    for number in (COUNTS, BENEFICIARIES):
        if number not in found:
            looks = member_like(label, number, owner=owner_in_members(program, label.entity_id or ""))
            inner = next((info.filename for info in infos if info.filename.lower().endswith(".zip")), None)
            remedy = (
                f"There is another archive in it: {shown(without_folders(inner))}. Load that." if inner else _UNCHANGED
            )
            raise _unreadable(
                label.name,
                f"CCLF{number} is missing: no file in the archive has a name like {looks}.D….T…. {remedy}",
            )
    _heed_limits(found[COUNTS], COUNTS_BYTES_AT_MOST)
    _heed_limits(found[BENEFICIARIES], BENEFICIARIES_BYTES_AT_MOST)
    return found


def _heed_limits(info: zipfile.ZipInfo, bytes_at_most: int) -> None:
    """Raises UnreadableRoster if a file is not safe to decompress."""
    base = without_folders(info.filename)
    if info.flag_bits & 0x1:
        raise _unreadable(base, "The file is encrypted. Load the archive without a password.")
    if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise _unreadable(
            base, f"The file is compressed with method {info.compress_type}. CMS uses deflate (8). {_UNCHANGED}"
        )
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
        if len(fields) > 4 and not fields[-1]:  # noqa: PLR2004  # described below
            fields.pop()
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
def _damage_in(file: str, likely: str = "") -> Iterator[None]:
    """Turn what zipfile raises for a bad archive into UnreadableRoster, with a likely cause if it finds no archive.

    It documents BadZipFile, but also raises the errors of its parts: zlib, struct, codecs, the file.
    """
    try:
        yield
    except UnreadableRoster:
        raise
    except Exception as error:  # whatever it is, the file can't be read
        said = str(error).rstrip(".")[:_REASON_AT_MOST] or type(error).__name__
        what = f"{likely} ({said})" if likely and said == _NO_ZIP else said
        raise _unreadable(file, _DAMAGED.format(what=what, remedy=_DOWNLOAD_AGAIN)) from error


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
