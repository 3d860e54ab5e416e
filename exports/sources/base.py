"""The Protocol of a source of claims: say how much a selection has, and return its bodies."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from attribution.cohorts import Cohort
from exports.claims.models import FULL
from exports.claims.splice import Body

# The first and the last beneficiary of a range that is open at both ends.
EVERYBODY = 0, 2**63 - 1


@dataclass(frozen=True, slots=True)
class Selection:
    """Selects resources: of one type, version and variant, of a cohort, as the store was at one load.

    The dates limit the last service date of a claim, both included. Types without a service date are not limited.
    """

    version: int
    resource_type: str
    as_of_load_id: int
    cohort: Cohort
    since: dt.datetime | None = None  # only resources updated after this time
    claims_from_date: dt.date | None = None
    claims_through_date: dt.date | None = None
    first_beneficiary_id: int | None = None
    last_beneficiary_id: int | None = None
    variant: str = FULL


@dataclass(frozen=True, slots=True)
class SourcePart:
    """A range of beneficiaries whose resources make one file."""

    first_beneficiary_id: int
    last_beneficiary_id: int
    resource_count: int
    raw_length: int  # bytes of NDJSON to go through; a filter can leave less


@dataclass(frozen=True, slots=True)
class Piece:
    """The resources of a beneficiary that are stored together. All of them are in the selection, unless it is cut.

    `is_cut` means that the selection's dates fall among them, so each line must be checked. `is_withheld` means that
    the beneficiary gets nothing now: then only the numbers of the body count.
    """

    body: Body
    is_cut: bool = False
    is_withheld: bool = False


class Source(Protocol):
    """Where an export gets its resources. The same selection always gives the same pieces in the same order."""

    def parts(self, selection: Selection, *, file_bytes: int) -> list[SourcePart]:
        """Cut a selection into ranges of about `file_bytes` of NDJSON each; none for an empty selection."""

    def pieces(self, selection: Selection) -> Iterator[Piece]:
        """Return the selection's resources, by beneficiary."""
