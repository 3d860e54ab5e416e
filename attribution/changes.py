"""Changes from one roster to the next: who joined, who left, and how many."""

from dataclasses import dataclass

from django.db.models import Exists, OuterRef

from attribution import identifiers
from attribution.models import Mbi, RosterEntry, RosterFile


@dataclass(frozen=True, slots=True)
class Change:
    """Numbers of beneficiaries, and percentages of those on the earlier roster (0 to 100 and more, not rounded)."""

    joined: int
    left: int
    unchanged: int

    @property
    def earlier_count(self) -> int:
        return self.unchanged + self.left

    @property
    def later_count(self) -> int:
        return self.unchanged + self.joined

    @property
    def joined_percent(self) -> float | None:
        return self._percent(self.joined)

    @property
    def left_percent(self) -> float | None:
        return self._percent(self.left)

    @property
    def growth_percent(self) -> float | None:
        """Return how much larger the roster became; negative if it became smaller."""
        return self._percent(self.joined - self.left)

    @property
    def swing_percent(self) -> float | None:
        """Return how many joined or left. A high swing is a sign of a wrong file."""
        return self._percent(self.joined + self.left)

    def _percent(self, count: int) -> float | None:
        """Return None without an earlier roster: the first one has nothing to compare with."""
        return 100 * count / self.earlier_count if self.earlier_count else None


@dataclass(frozen=True, slots=True)
class Sample:
    """Some of those who joined and left, by masked MBIs."""

    joined: tuple[str, ...]
    left: tuple[str, ...]


def recorded(roster: RosterFile) -> Change:
    """Return what a published roster changed, from the stored counts. Makes no query."""
    return Change(
        joined=roster.joined_count,
        left=roster.left_count,
        unchanged=roster.beneficiary_count - roster.joined_count,
    )


def sample(earlier: RosterFile | None, later: RosterFile, *, at_most: int) -> Sample:
    """Return some who joined and some who left, by masked MBIs."""

    def only_on(this: RosterFile, other: RosterFile | None) -> tuple[str, ...]:
        on_other = RosterEntry.objects.filter(roster=other, beneficiary=OuterRef("beneficiary"))
        entries = RosterEntry.objects.filter(~Exists(on_other), roster=this).order_by("beneficiary")
        some = list(entries.values_list("beneficiary", flat=True)[:at_most])
        mbi_of = dict(Mbi.objects.filter(beneficiary__in=some).order_by("-value").values_list("beneficiary", "value"))
        return tuple(identifiers.masked(mbi_of[each]) for each in some if each in mbi_of)

    return Sample(joined=only_on(later, earlier), left=only_on(earlier, later) if earlier else ())


def between(earlier: RosterFile | None, later: RosterFile) -> Change:
    """Return the changes from one roster to another of the same organization, counted again."""
    on_later = RosterEntry.objects.filter(roster=later).values("beneficiary")
    later_count = on_later.count()
    if earlier is None:
        return Change(joined=later_count, left=0, unchanged=0)
    on_earlier = RosterEntry.objects.filter(roster=earlier).values("beneficiary")
    # INTERSECT and not a join: the planner has no statistics of a new roster, expects about one row, and would scan one
    # roster for every row of the other.
    unchanged = on_later.intersection(on_earlier).count()
    return Change(joined=later_count - unchanged, left=on_earlier.count() - unchanged, unchanged=unchanged)
