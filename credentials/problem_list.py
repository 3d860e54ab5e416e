"""A list of what is wrong with a file, which can be a million things. Pure."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

P = TypeVar("P")


@dataclass(slots=True)
class ProblemList(Generic[P]):
    """The first problems, and how many there are. It is true if there is any.

    What a problem is, and how it is shown or stored, each kind of file says itself.
    """

    at_most: int = 100  # of which more than the count is kept
    kept: list[P] = field(default_factory=list)
    total: int = 0

    def add(self, problem: P) -> None:
        """Add the next one, which comes after the others."""
        self.extend([problem], total=1)

    def extend(self, first: Iterable[P], *, total: int, order: Callable[[P], Any] | None = None) -> None:
        """Add the first ones of `total` problems. With an order, the first ones of all are kept."""
        self.total += total
        if order is None:
            self.kept += list(first)[: max(self.at_most - len(self.kept), 0)]
        else:
            self.kept = sorted([*self.kept, *first], key=order)[: self.at_most]

    @property
    def more(self) -> str:
        """Return a sentence that says how many there are beside those that are kept; "" if there are no others."""
        left_out = self.total - len(self.kept)
        return f"And {left_out:,} more problem{'s' if left_out > 1 else ''}." if left_out else ""

    def __bool__(self) -> bool:
        return self.total > 0
