"""The Protocol of every roster format. Pure."""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, Protocol

from attribution.filenames import ArchiveName
from attribution.problems import Problem


class UnreadableRoster(Exception):  # noqa: N818  # named for what happened
    """A file can't be read in the format that its name says, or not to its end."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class Row(NamedTuple):
    """A record as it is in the file, unchecked: `mbi` is the text in the MBI's place."""

    line: int
    mbi: str
    record: bytes


class Roster(Protocol):
    """An open roster: what it declares, and its rows as a stream."""

    @property
    def file(self) -> str:
        """The name of the file with the rows."""

    @property
    def record_count(self) -> int:
        """The declared number of records."""

    @property
    def record_length(self) -> int:
        """The declared length of a record, in characters."""

    def rows(self) -> Iterator[Row]:
        """Return the rows in the order of the file. Can raise UnreadableRoster on the way."""


class Parser(Protocol):
    """Open a roster of one format. Raises UnreadableRoster."""

    def __call__(self, file: BinaryIO, name: ArchiveName) -> Roster: ...
