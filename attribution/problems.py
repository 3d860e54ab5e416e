"""The problems and warnings of a roster, to show and to store. Pure."""

from dataclasses import asdict, dataclass
from typing import Any

from credentials.problem_list import ProblemList


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a roster is refused: the file, the line and the column (both 1-based, if known), and the reason.

    A warning has the same parts: it says what is unusual about a roster that is not refused.

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


def as_json(problems: ProblemList[Problem]) -> list[dict[str, Any]]:
    """Return a list of dictionaries with the fields of Problem. A last one says how many more there are."""
    listed = [asdict(problem) for problem in problems.kept]
    if problems.more:
        listed.append(asdict(Problem(problems.kept[0].file, None, None, problems.more)))
    return listed
