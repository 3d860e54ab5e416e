"""CSV rosters, which CMS sends in programs without CCLF: a row of titles, and the MBI in the first column.

P.PCPB.M2611.D261101.T1000000               Maryland Total Cost of Care; year and month. The name says no organization.
P.BCD.DA9990.MBIY26.D261101.T1000000        CDAC; year
P.GUIDE.GUIDE-9990.Y26.D261101.T1000000     GUIDE
P.ACCESS.ACCES99990.Y26.D261101.T1000000    ACCESS
"""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from attribution.formats.base import BadFileName, Label, Promise, Row, UnreadableRoster, shown
from attribution.formats.cms_names import ENVIRONMENT, MOMENT, as_sent, is_test, moment
from attribution.problems import Problem

_EXAMPLES = (
    "P.BCD.{}.MBIY26.D261101.T1000000",
    "P.GUIDE.{}.Y26.D261101.T1000000",
    "P.ACCESS.{}.Y26.D261101.T1000000",
    "P.PCPB.M2611.D261101.T1000000",
)
# By the code of the program: what stands between the environment and the date.
_NAMES = {
    "MDTCOC": re.compile(rf"{ENVIRONMENT}\.PCPB\.M(?P<year>[0-9]{{2}})(?:0[1-9]|1[0-2]){MOMENT}"),
    "CDAC": re.compile(rf"{ENVIRONMENT}\.BCD\.(?P<entity_id>DA[0-9]{{4}})\.MBIY(?P<year>[0-9]{{2}}){MOMENT}"),
    "GUIDE": re.compile(rf"{ENVIRONMENT}\.GUIDE\.(?P<entity_id>GUIDE-[0-9]{{4}})\.Y(?P<year>[0-9]{{2}}){MOMENT}"),
    "ACCESS": re.compile(rf"{ENVIRONMENT}\.ACCESS\.(?P<entity_id>ACCES[0-9]{{5}})\.Y(?P<year>[0-9]{{2}}){MOMENT}"),
}
EXAMPLE = _EXAMPLES[1].format("GUIDE-9990")
_ENDINGS = (".csv", ".txt")

LINE_AT_MOST = 2**16
# A row with line ends in quotes goes over several lines. Without a limit, one quote too many would take in the file.
LINES_A_ROW_AT_MOST = 20

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_DOWNLOAD_AGAIN = "Download it again from CMS, and load it without opening it or saving it in another program."
# What isn't text of single bytes, by how it begins.
_BEGINNINGS = {
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
    b"PK": "a zip archive or a workbook",
    b"\x1f\x8b": "compressed with gzip",
    b"%PDF": "a PDF document",
    b"<": "a web page. You were probably signed out of the portal of CMS",
}
_BLANK = " \t\r\n\x1a"


class CsvRosters:
    """The name says the program, the year and the date, and mostly the organization. Only the first column is used."""

    code = "csv"
    name = "a CSV roster"
    expected = f"the name of a CSV roster, for example {EXAMPLE}. Use the name that CMS gave the file."

    def advice(self, entity_id: str) -> str:
        examples = (each.format(entity_id) for each in _EXAMPLES)
        example = next(each for each in examples if _match(each))
        return f"The CSV roster, with the name that CMS gave it. For example: {example}."

    def recognizes(self, file_name: str, first_bytes: bytes) -> bool:  # noqa: ARG002  # the format's call
        return _match(file_name) is not None

    def label(self, file_name: str, file: BinaryIO) -> Label:  # noqa: ARG002  # the format's call
        found = _match(file_name)
        if found is None:
            raise BadFileName(f"{shown(file_name)} is not {self.expected}")
        _, match = found
        return Label(
            name=match.string,
            entity_id=match.groupdict().get("entity_id"),
            performance_year=2000 + int(match["year"]),
            made_at=moment(match),
            is_test=is_test(match),
        )

    def open(self, file: BinaryIO, label: Label, *, entity_id: str, program: str) -> "CsvRoster":
        found = _match(label.name)
        if found and found[0] != program:
            reason = (
                f"The name is one of a roster of {found[0]}, but {entity_id} is of {program}. Choose its own roster."
            )
            raise UnreadableRoster(Problem(label.name, None, None, reason))
        first = file.read(LINE_AT_MOST)
        what = next((what for bytes_, what in _BEGINNINGS.items() if first.lstrip().startswith(bytes_)), None)
        if what is None and b"\x00" in first:
            what = "not text, or text in UTF-16"
        if what:
            reason = f"The file is not a list with commas: it is {what}. {_DOWNLOAD_AGAIN}"
            raise UnreadableRoster(Problem(label.name, None, None, reason))
        file.seek(len(_BYTE_ORDER_MARK) if first.startswith(_BYTE_ORDER_MARK) else 0)
        return CsvRoster(label.name, file)


@dataclass(frozen=True, slots=True)
class CsvRoster:
    """The rows of a list. It doesn't say how many there are."""

    file: str
    _content: BinaryIO
    promise: Promise | None = None

    def rows(self) -> Iterator[Row | Problem]:
        """Return the rows with the MBI, without blanks around it. Blank lines, and a first row of titles, are none."""
        lines = _Lines(self._content)
        reader = csv.reader(lines, strict=True)
        is_at_the_top, column_count = True, 0
        while True:
            line = lines.begin_row()
            try:
                cells = next(reader, None)
            except csv.Error as error:
                reason = f"The quotes of this row don't fit, or it is too long ({error}). {_DOWNLOAD_AGAIN}"
                raise UnreadableRoster(Problem(self.file, line, 1, reason)) from error
            if cells is None:
                return
            if not "".join(cells).strip(_BLANK):
                continue
            could_be_titles, is_at_the_top = is_at_the_top, False
            # Titles have no digits, and every MBI begins with one: a list without titles loses nobody.
            if could_be_titles and not any(character.isdigit() for character in cells[0]):
                continue
            if not lines.last_has_end and len(cells) < column_count:
                reason = f"The last line is cut off: it has {len(cells)} of {column_count} columns. {_DOWNLOAD_AGAIN}"
                yield Problem(self.file, line, 1, reason)
                continue
            column_count = len(cells)
            mbi = cells[0].strip(_BLANK)
            yield Row(line, 1 + lines.first.find(mbi), mbi)


class _Lines:
    """The lines of a file as csv takes them, and where a row began. Raises csv.Error for what no roster has."""

    def __init__(self, content: BinaryIO) -> None:
        # Bytes are taken for characters one by one: only those of the MBI matter, and these are ASCII.
        self._content = content
        self._number = self._row_began = 0
        self.first = ""  # of the row
        self.last_has_end = True

    def begin_row(self) -> int:
        """Return the number of the row's first line."""
        self._row_began = self._number
        return self._number + 1

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._content.readline(LINE_AT_MOST)
        if not line:
            raise StopIteration
        if len(line) == LINE_AT_MOST:
            raise csv.Error(f"a line has more than {LINE_AT_MOST:,} bytes")
        if self._number - self._row_began >= LINES_A_ROW_AT_MOST:
            raise csv.Error(f"it has more than {LINES_A_ROW_AT_MOST} lines")
        self.last_has_end = line.endswith((b"\n", b"\x1a"))
        text = line.decode("latin-1")
        if self._number == self._row_began:
            self.first = text
        self._number += 1
        return text


def _match(file_name: str) -> tuple[str, re.Match[str]] | None:
    """Return the program whose rosters have such a name, and the match."""
    text = as_sent(file_name, *_ENDINGS)
    matches = ((program, pattern.fullmatch(text)) for program, pattern in _NAMES.items())
    return next(((program, match) for program, match in matches if match), None)
