"""What a source of claims can do: say how much a selection holds, and give its bodies."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from exports.claims.splice import Body

# The first and the last beneficiary of a range that is open at both ends.
EVERYBODY = 0, 2**63 - 1


@dataclass(frozen=True, slots=True)
class Selection:
    """Which resources: of one type and version, of a roster's beneficiaries, as the store was at one load.

    `earlier_roster_id` narrows the roster: with `on_earlier_roster` to those who were on it too, else to those who
    were not. Without it, everyone on the roster is meant. The dates bound the last day of a claim's service, both
    included; they say nothing about types that have no such day.
    """

    version: int
    resource_type: str
    as_of_load_id: int
    roster_id: int
    earlier_roster_id: int | None = None
    on_earlier_roster: bool = False
    since: dt.datetime | None = None  # resources updated after this instant only
    claims_from_date: dt.date | None = None
    claims_through_date: dt.date | None = None
    first_beneficiary_id: int | None = None
    last_beneficiary_id: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A range of beneficiaries whose resources make one file."""

    first_beneficiary_id: int
    last_beneficiary_id: int
    resource_count: int
    raw_length: int  # bytes of NDJSON to go through; where a filter cuts, less comes out


@dataclass(frozen=True, slots=True)
class Piece:
    """The resources of a beneficiary that stand together; all of them belong to the selection, unless it is cut.

    `is_cut` when the selection's dates fall among them: then each line has to be looked at.
    """

    body: Body
    is_cut: bool = False


class Source(Protocol):
    """Where an export takes its resources from. The same selection always gives the same pieces in the same order."""

    def parts(self, selection: Selection, *, file_bytes: int) -> list[Part]:
        """Cut a selection into ranges of about `file_bytes` of NDJSON each; none for an empty selection."""

    def pieces(self, selection: Selection) -> Iterator[Piece]:
        """The selection's resources, by beneficiary."""
