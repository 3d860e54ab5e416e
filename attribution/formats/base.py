"""The Protocol of every roster format. Pure.

A format knows its own files: their names, their limits, their lines, and the words for what is wrong with these. It
says what a file promises about itself, and gives the rows with their places. Whether an MBI is one, whether a promise
is kept, and who may load the file is the same for all (attribution/validation.py, loading.py).
"""

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO, NamedTuple, Protocol

from attribution.problems import Problem

_LONGEST_SHOWN = 80


class Kind(StrEnum):
    """The claims that a roster is for: this year's, or last year's that are still being paid. As RosterFile.Kind."""

    CURRENT = "current"
    RUNOUT = "runout"


class BadFileName(ValueError):  # noqa: N818  # named for what happened
    """The name of a file is none that a roster can have. The message is for the user who sent the file."""


class UnreadableRoster(Exception):  # noqa: N818  # named for what happened
    """A file can't be read in its format, or not to its end."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Label:
    """What a file says about itself before its rows are read. None stands for what it doesn't say.

    Without an entity ID, whoever sends the file must say whose it is. A file without a time counts as made when it
    arrives, and without a performance year as one of the year in which it was made.
    """

    name: str  # without folders, as users should see it
    entity_id: str | None = None
    kind: Kind = Kind.CURRENT
    performance_year: int | None = None
    made_at: dt.datetime | None = None
    is_test: bool | None = None


class Promise(NamedTuple):
    """A number of rows, and what it is stated by, for messages: "CCLF0"."""

    row_count: int
    stated_by: str


class Row(NamedTuple):
    """A beneficiary's place in the file: line and column of the MBI (1-based), and the text there, unchecked."""

    line: int
    column: int
    mbi: str


class Roster(Protocol):
    """An open roster file."""

    @property
    def file(self) -> str:
        """The name of the file with the rows, for messages."""

    @property
    def promise(self) -> Promise | None:
        """How many rows there must be, if the file says so. Asked for after the last row."""

    def rows(self) -> Iterator[Row | Problem]:
        """Return the rows in the order of the file, and a problem for each line that is none.

        Can raise UnreadableRoster on the way. Only what Claimsgate uses can be a problem.
        """


class RosterFormat(Protocol):
    """A format of roster files. They come from outside: nothing in them is trusted, and reading them has limits."""

    @property
    def code(self) -> str:
        """The key in FORMATS, by which programs name the format."""

    @property
    def name(self) -> str:
        """What a file of this format is called: "a CCLF archive"."""

    @property
    def expected(self) -> str:
        """The end of a sentence that begins "This file is not": what a file of this format must be, and what to do."""

    def advice(self, entity_id: str) -> str:
        """Return which file an organization must choose, with an example if the name matters. Whole sentences."""

    def recognizes(self, file_name: str, first_bytes: bytes) -> bool:
        """Return True if a file looks like one of this format, by its name or by its first 4,096 bytes."""

    def label(self, file_name: str, file: BinaryIO) -> Label:
        """Return what a file that was recognized says about itself. The file is at its start. Raises BadFileName."""

    def open(self, file: BinaryIO, label: Label, *, entity_id: str, program: str) -> Roster:
        """Open a file with this label for an organization, which is the label's own if that names one.

        The file is at its start. Raises UnreadableRoster.
        """


def without_folders(file_name: str) -> str:
    """Return the last part of a path from any operating system."""
    return re.split(r"[/\\]", file_name)[-1]


def shown(text: str) -> str:
    """Return a name for a message: without control characters, and not too long."""
    return repr(text[:_LONGEST_SHOWN]) + ("…" if len(text) > _LONGEST_SHOWN else "")
