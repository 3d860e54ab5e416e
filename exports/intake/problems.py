"""The problems of claim files, to show. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from credentials.problem_list import ProblemList

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


def shown(problems: ProblemList[Problem], names: Sequence[str]) -> list[str]:
    """Return lines to show. A last one says how many more there are."""
    lines = [problem.shown(names) for problem in problems.kept]
    return [*lines, problems.more] if problems.more else lines
