"""The Protocols of a source of claims: cut a selection into parts, and return their bodies."""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from attribution.cohorts import Cohort
from exports.claims.models import FULL, Load
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
    as_of_load_id: int | None  # None: the source has no loads
    cohort: Cohort
    since: dt.datetime | None = None  # only resources updated after this time
    claims_from_date: dt.date | None = None
    claims_through_date: dt.date | None = None
    first_beneficiary_id: int | None = None
    last_beneficiary_id: int | None = None
    variant: str = FULL


@dataclass(frozen=True, slots=True)
class SourcePart:
    """A range of beneficiaries whose resources make one file.

    A source that does not know beforehand how much that is leaves out both numbers. If they are given, exactly that
    must come.
    """

    first_beneficiary_id: int
    last_beneficiary_id: int
    resource_count: int | None = None
    raw_length: int | None = None  # bytes of NDJSON to go through; a filter can leave less


@dataclass(frozen=True, slots=True)
class Piece:
    """The resources of a beneficiary that are stored together. All of them are in the selection, unless it is cut.

    `is_cut` means that the selection's dates fall among them, so each line must be checked. `is_withheld` means that
    the beneficiary gets nothing now: then only the numbers of the body count.
    """

    body: Body
    is_cut: bool = False
    is_withheld: bool = False


@dataclass(frozen=True, slots=True)
class Shortfall:
    """What a source could not get of one beneficiary. The client gets it as an OperationOutcome."""

    diagnostics: str  # for people; MBIs in it are redacted
    code: str = "exception"  # of FHIR's issue-type


@dataclass(frozen=True, slots=True)
class Moment:
    """The state of a source that a job sees, whenever its files are written."""

    as_of_load: Load | None  # of the claims store
    transaction_time: dt.datetime
    # Everything that comes later is newer than what has happened to rosters until now.
    is_settled: bool = False


class Content(Protocol):
    """Something that becomes the files of one list in the manifest."""

    def parts(self, selection: Selection, *, file_bytes: int) -> Iterable[SourcePart]:
        """Cut a selection into ranges of about `file_bytes` of NDJSON each; none for an empty selection.

        It is called under a lock: look no further than needed.
        """

    def pieces(self, selection: Selection) -> Iterator[Piece | Shortfall]:
        """Return the selection's resources, by beneficiary. Raises if it can't go on; then the file is tried again.

        One beneficiary who can't be got is a Shortfall, and the others come all the same.
        """


class Source(Content, Protocol):
    """Where an export gets its resources. A new one is a file like `store.py` and an entry of SOURCES."""

    @property
    def name(self) -> str:
        """The key in SOURCES and in `Job.source`: 32 characters at most."""

    @property
    def removals(self) -> Content | None:
        """What was removed from the source since a time, as Bundles. None if it can't know."""

    def has(self, version: int, *, since: dt.datetime | None) -> bool:
        """Return whether an export in this version of the API can have anything, for anyone.

        It is asked when an export is started. If it can't, nothing is started.
        """

    def moment(self) -> Moment:
        """Return the state that a job sees which is planned now."""
