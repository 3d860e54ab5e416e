"""The files of beneficiary preferences that CMS sends to ACOs (NGD1800.DPRF). Pure.

A header, a line of 459 characters for each preference, and a trailer with their number:

    HDR_BENEDATASHR20190729
    1-11 MBI · 355-362 effective date · 363-367 source · 369 preference: Y, N or blank
    TRL_BENEDATASHR20190729 and the number of lines between

The other columns (names, addresses, the preference about substance use records) are not used, so they can't be wrong.
"""

import datetime as dt
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from attribution import identifiers
from attribution.formats.base import BadFileName, shown, without_folders
from attribution.problems import Problem

HEADER, TRAILER = "HDR_BENEDATASHR", "TRL_BENEDATASHR"
LINE_LENGTH = 459
LONGEST_LINE = 4096  # bytes; whatever is longer is no line of such a file

# "#" can become "%23", "." or "_" on the way: browsers and file systems don't always keep it.
_NAME = re.compile(r"[PT](?:#|%23|\.|_)EFT\.ON\.ACO\.NGD1800\.DPRF\.D[0-9]{6}\.T[0-9]{7}(?: \([0-9]+\))?(?:\.txt)?")
_EXAMPLE = "P#EFT.ON.ACO.NGD1800.DPRF.D260115.T1000009"
_DATE = re.compile(r"(?:19|20)[0-9]{6}")
_COUNT_AT = slice(23, 33)
_DATE_COLUMN, _PREFERENCE_COLUMN, _COUNT_COLUMN = 355, 369, 24  # 1-based
# After the last line of a file, programs for DOS have left this one.
_AFTER_THE_END = b"\x1a"


class Line(NamedTuple):
    """A preference: "Y", "N", or "" for none. Only the last can be without a date."""

    number: int  # in the file, 1-based
    mbi: str
    choice: str
    effective_date: dt.date | None
    source: str


def name_of(file_name: str) -> str:
    """Return the name of a preference file without folders. Raises BadFileName for one that such a file can't have."""
    name = without_folders(file_name)
    if not _NAME.fullmatch(name):
        raise BadFileName(
            f"{shown(name)} is not a preference file from CMS. Its name looks like {_EXAMPLE}. "
            "Use the name that CMS gave the file."
        )
    return name


def lines(file: BinaryIO, name: str) -> Iterator[Line | Problem]:
    """Return the preferences of a file in their order, and a problem for each line that is wrong.

    The problems of the whole file, such as a wrong number of lines, come last. The reasons have no value of a line.
    """
    count, number, problem = 0, 1, _header_problem(name, _readline(file))
    if problem:
        yield problem
        return
    while raw := _readline(file):
        number += 1
        text = _text(raw)
        if text.startswith(TRAILER):
            yield from _after_the_trailer(file, name, number, text, count)
            return
        count += 1
        yield _line(name, number, text, is_cut_off=not raw.endswith(b"\n"))
    reason = (
        f"The file has no trailer ({TRAILER}…) after its last line, so it was probably cut short. "
        "Get it again as CMS delivered it."
    )
    yield Problem(name, number, None, reason)


def _readline(file: BinaryIO) -> bytes:
    """Return the next line with its end, or the beginning of one that is too long."""
    raw = more = file.readline(LONGEST_LINE)
    while len(more) == LONGEST_LINE and not more.endswith(b"\n"):
        more = file.readline(LONGEST_LINE)
    return raw


def _text(raw: bytes) -> str:
    """Return a line without its end: UTF-8, or one character for each byte."""
    raw = raw.rstrip(b"\r\n")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _header_problem(name: str, raw: bytes) -> Problem | None:
    text = _text(raw)
    if not text:
        return Problem(name, None, None, "The file is empty. Get it again as CMS delivered it.")
    if not text.startswith(HEADER):
        reason = (
            f"The first line must be a header that begins with {HEADER}. Use a preference file as CMS delivered it."
        )
        return Problem(name, 1, 1, reason)
    if _date(text[len(HEADER) : len(HEADER) + 8]) is None:
        return Problem(name, 1, len(HEADER) + 1, "The date of the header must be a date written as YYYYMMDD.")
    return None


def _after_the_trailer(file: BinaryIO, name: str, number: int, text: str, count: int) -> Iterator[Problem]:
    stated = text[_COUNT_AT].strip()
    if not (stated.isascii() and stated.isdigit()):
        yield Problem(name, number, _COUNT_COLUMN, "The trailer must state the number of lines. Here is no number.")
    elif int(stated) != count:
        likely = "It was probably cut short." if count < int(stated) else "It may have been changed."
        reason = f"The file has {count:,} preferences, but its trailer states {int(stated):,}. {likely} "
        yield Problem(name, number, _COUNT_COLUMN, reason + "Get it again as CMS delivered it.")
    while more := _readline(file):
        number += 1
        if more.strip(b" \r\n" + _AFTER_THE_END):
            yield Problem(name, number, 1, "Nothing can come after the trailer. The file may have been changed.")
            return


def _line(name: str, number: int, text: str, *, is_cut_off: bool) -> Line | Problem:
    if len(text) != LINE_LENGTH:
        likely = "It was probably cut off. " if is_cut_off or len(text) < LINE_LENGTH else ""
        found = f"{len(text):,}" if len(text) < LONGEST_LINE else f"at least {LONGEST_LINE:,}"
        return Problem(
            name,
            number,
            min(len(text), LINE_LENGTH) + 1,
            f"A line must have {LINE_LENGTH} characters. This one has {found}. {likely}"
            "Get the file again as CMS delivered it.",
        )
    if fault := identifiers.fault(text[:11].rstrip()):
        return Problem(name, number, fault.position, fault.reason)
    choice, written = text[368].strip(), text[354:362]
    if choice not in {"Y", "N", ""}:
        return Problem(name, number, _PREFERENCE_COLUMN, "The preference must be Y, N or blank.")
    effective = _date(written)
    if effective is None and (choice or written.strip()):
        return Problem(name, number, _DATE_COLUMN, "The effective date must be a date written as YYYYMMDD.")
    return Line(number, text[:11].rstrip(), choice, effective, text[362:367].strip())


def _date(text: str) -> dt.date | None:
    """Return a date that is written as YYYYMMDD; None for anything else."""
    try:
        return dt.date(int(text[:4]), int(text[4:6]), int(text[6:])) if _DATE.fullmatch(text) else None
    except ValueError:
        return None
