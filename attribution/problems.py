"""The problems of a roster, to show and to store. Pure."""

from dataclasses import asdict, dataclass, field
from typing import Any

KEPT_AT_MOST = 100


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a roster is refused: the file, the line and the column (both 1-based, if known), and the reason.

    The reason never has an MBI or another value of a record.
    """

    file: str
    line: int | None
    column: int | None
    reason: str

    def __str__(self) -> str:
        """Return the place as compilers write it: `file:line:column: reason`."""
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return f"{place}: {self.reason}"


@dataclass(slots=True)
class ProblemList:
    """The first hundred problems, and the total."""

    kept: list[Problem] = field(default_factory=list)
    total: int = 0

    def add(self, problem: Problem) -> None:
        self.total += 1
        if len(self.kept) < KEPT_AT_MOST:
            self.kept.append(problem)

    def leave_out(self, count: int) -> None:
        """Count problems without describing them."""
        self.total += count

    def __bool__(self) -> bool:
        return self.total > 0

    def as_json(self) -> list[dict[str, Any]]:
        """Return a list of dictionaries with the fields of Problem. A last one says how many more there are."""
        listed = [asdict(problem) for problem in self.kept]
        left_out = self.total - len(self.kept)
        if left_out:
            more = f"And {left_out:,} more problem{'s' if left_out > 1 else ''} like these."
            listed.append(asdict(Problem(self.kept[0].file, None, None, more)))
        return listed
