"""What a source of claims can do: say how much a selection holds, and give its bodies."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from exports.claims.splice import Body


@dataclass(frozen=True, slots=True)
class Selection:
    """Which resources: of one type and version, of a roster's beneficiaries, as the store was at one load.

    `earlier_roster_id` narrows the roster: with `on_earlier_roster` to those who were on it too, else to those who
    were not. Without it, everyone on the roster is meant.
    """

    version: int
    resource_type: str
    as_of_load_id: int
    roster_id: int
    earlier_roster_id: int | None = None
    on_earlier_roster: bool = False
    since: dt.datetime | None = None  # resources updated after this instant only
    first_beneficiary_id: int | None = None
    last_beneficiary_id: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """A range of beneficiaries whose resources make one file."""

    first_beneficiary_id: int
    last_beneficiary_id: int
    resource_count: int
    raw_length: int  # bytes of NDJSON


class Source(Protocol):
    """Where an export takes its resources from. The same selection always gives the same bodies in the same order."""

    def parts(self, selection: Selection, *, file_bytes: int) -> list[Part]:
        """Cut a selection into ranges of about `file_bytes` of NDJSON each; none for an empty selection."""

    def bodies(self, selection: Selection) -> Iterator[Body]:
        """The selection's bodies, by beneficiary."""
