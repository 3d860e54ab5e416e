"""A format of rosters: a list with titles, one of which is MBI. Its name says nothing, and neither does its content.

name,MBI
Ada,1S00A00AA00
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from attribution.formats.base import Label, Promise, Row, UnreadableRoster, without_folders
from attribution.problems import Problem

BYTES_AT_MOST = 2**20
TITLE = "MBI"


class PatientList:
    code = "patient-list"
    name = "a patient list"
    expected = "a patient list: text with commas, and with the title MBI in its first line."

    def advice(self, entity_id: str) -> str:
        return f"A patient list of {entity_id}: text with commas, and with the title MBI in its first line."

    def recognizes(self, file_name: str, first_bytes: bytes) -> bool:
        return TITLE in _cells(first_bytes.partition(b"\n")[0])

    def label(self, file_name: str, file: BinaryIO) -> Label:
        return Label(without_folders(file_name))

    def open(self, file: BinaryIO, label: Label, *, entity_id: str, program: str) -> "OpenList":
        content = file.read(BYTES_AT_MOST + 1)
        if len(content) > BYTES_AT_MOST:
            reason = f"The list is longer than {BYTES_AT_MOST:,} bytes."
            raise UnreadableRoster(Problem(label.name, None, None, reason))
        titles, *lines = content.splitlines()
        return OpenList(label.name, _cells(titles).index(TITLE), lines)


@dataclass(frozen=True)
class OpenList:
    file: str
    place: int
    lines: list[bytes]
    promise: Promise | None = None

    def rows(self) -> Iterator[Row | Problem]:
        for number, line in enumerate(self.lines, start=2):
            cells = _cells(line)
            if len(cells) > self.place:
                column = sum(len(cell) + 1 for cell in cells[: self.place]) + 1
                yield Row(number, column, cells[self.place])
            else:
                yield Problem(self.file, number, 1, "The line is too short: it has no MBI.")


def _cells(line: bytes) -> list[str]:
    return line.decode("latin-1").rstrip("\r").split(",")


FORMAT = PatientList()
