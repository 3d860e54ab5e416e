"""The problems of claim files, to show. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field

KEPT_AT_MOST = 20


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line (from 1) of a file; `file` is the file's number in the load."""

    file: int
    line: int

    def shown(self, names: Sequence[str]) -> str:
        return f"{names[self.file]}, line {self.line}"


@dataclass(frozen=True, slots=True)
class Problem:
    """The problem on a line, why, and what to do. The reason never has a value of the line.

    `see` is another place that the reason mentions: it replaces the braces.
    """

    place: Place
    reason: str
    see: Place | None = None

    def shown(self, names: Sequence[str]) -> str:
        reason = self.reason.format(self.see.shown(names)) if self.see else self.reason
        return f"{self.place.shown(names)}: {reason}"


@dataclass(slots=True)
class ProblemList:
    """The first problems in the order of files and lines, and their total."""

    kept: list[Problem] = field(default_factory=list)
    total: int = 0

    def add(self, problem: Problem) -> None:
        """Add the next one, which comes after the others."""
        self.total += 1
        if len(self.kept) < KEPT_AT_MOST:
            self.kept.append(problem)

    def extend(self, problems: Sequence[Problem], *, total: int) -> None:
        """Add the first ones of `total` others, in any order."""
        self.total += total
        self.kept = sorted([*self.kept, *problems], key=lambda problem: problem.place)[:KEPT_AT_MOST]

    def shown(self, names: Sequence[str]) -> list[str]:
        """Return lines to show. A last one says how many more there are."""
        lines = [problem.shown(names) for problem in self.kept]
        if left_out := self.total - len(self.kept):
            lines.append(f"And {left_out:,} more problem{'s' if left_out > 1 else ''}.")
        return lines

    def __bool__(self) -> bool:
        return self.total > 0
