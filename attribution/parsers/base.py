"""What every reader of a roster format gives. Pure."""

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, Protocol

from attribution.filenames import ArchiveName
from attribution.problems import Problem


class UnreadableRoster(Exception):  # noqa: N818  # named for what happened
    """A file cannot be read as what its name says, or not to its end."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class Row(NamedTuple):
    """A record as it stands in the file, nothing checked: `mbi` is what stands in the MBI's place."""

    line: int
    mbi: str
    record: bytes


class Roster(Protocol):
    """An opened roster: what it promises, and its rows as a stream."""

    @property
    def file(self) -> str:
        """The name of the file that the rows are in."""

    @property
    def record_count(self) -> int:
        """How many records there should be."""

    @property
    def record_length(self) -> int:
        """How many characters a record may have."""

    def rows(self) -> Iterator[Row]:
        """The rows in the order of the file. May raise UnreadableRoster on the way."""


class Parser(Protocol):
    """Opens a roster of one format. Raises UnreadableRoster."""

    def __call__(self, file: BinaryIO, name: ArchiveName) -> Roster: ...
