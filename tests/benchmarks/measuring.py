"""Measures two ways of doing a thing in turn, and keeps what came of it."""

import json
import os
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

RUNS = 5


@dataclass(frozen=True, slots=True)
class Figure:
    """A ratio, what it must be at least or at most, and the runs that it is the median of."""

    name: str
    value: float
    bound: float
    is_floor: bool  # at least `bound`, or at most
    runs: dict[str, list[float]] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return self.value >= self.bound if self.is_floor else self.value <= self.bound

    @property
    def bound_text(self) -> str:
        return f"{'≥' if self.is_floor else '≤'} {self.bound:g}"


def seconds(action: Callable[[], object]) -> float:
    """How long one run of `action` takes; what it says itself, if it returns a float."""
    began = time.perf_counter()
    said = action()
    return said if isinstance(said, float) else time.perf_counter() - began


def in_turn(**actions: Callable[[], object]) -> dict[str, list[float]]:
    """Seconds of each action, run in turn (a, b, a, b, …) after one uncounted round, so that drift hits all alike."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for number in range(RUNS + 1):
        for name, action in actions.items():
            os.sync()  # nobody pays for what another has left for the disk
            taken = seconds(action)
            if number:
                times[name].append(taken)
    return times


def ratio(times: dict[str, list[float]], above: str, below: str) -> float:
    """The median of the ratios, pair by pair."""
    return statistics.median(a / b for a, b in zip(times[above], times[below], strict=True))


def at_least(name: str, value: float, bound: float, runs: dict[str, list[float]] | None = None) -> Figure:
    return Figure(name, value, bound, is_floor=True, runs=runs or {})


def at_most(name: str, value: float, bound: float, runs: dict[str, list[float]] | None = None) -> Figure:
    return Figure(name, value, bound, is_floor=False, runs=runs or {})


def keep(figures: list[Figure], folder: Path) -> None:
    """Write the raw runs, and summary.json: name, value, bound, ok."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "runs.json").write_text(json.dumps([asdict(figure) for figure in figures], indent=2))
    summary = [
        {"name": figure.name, "value": round(figure.value, 4), "bound": figure.bound_text, "ok": figure.ok}
        for figure in figures
    ]
    (folder / "summary.json").write_text(json.dumps(summary, indent=2, ensure_ascii=False))
