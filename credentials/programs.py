"""The Medicare programs whose organizations can get claims: a record of facts for each. Pure.

An organization names its program by the code. A program that isn't in PROGRAMS has no rules, so its organizations get
nothing. No other module asks which program it is: each reads the facts that are its business.
"""

import datetime as dt
import re
from dataclasses import dataclass

from credentials.registry import Registry


@dataclass(frozen=True, slots=True)
class EntityIds:
    """What the entity IDs of a program look like."""

    example: str
    pattern: re.Pattern[str]  # of the whole ID

    def __post_init__(self) -> None:
        if self.example not in self:
            raise ValueError(f"{self.example} doesn't match {self.pattern.pattern}. Use an example that does.")

    def __contains__(self, entity_id: str) -> bool:
        return self.pattern.fullmatch(entity_id) is not None


@dataclass(frozen=True, slots=True)
class Lookback:
    """How far back claims go: from a day of the year, this many years before its last occurrence."""

    years: int
    month: int
    day: int

    def first_service_date(self, today: dt.date) -> dt.date:
        """Return the earliest service date that an organization can see on a day."""
        turned = today >= dt.date(today.year, self.month, self.day)
        return dt.date(today.year - self.years - (0 if turned else 1), self.month, self.day)


@dataclass(frozen=True, slots=True)
class DateRules:
    """Which claims an organization can see, by service date."""

    lookback: Lookback | None  # None for all claims

    def first_service_date(self, today: dt.date) -> dt.date | None:
        """Return the earliest service date that an organization can see on a day. None if there is no limit."""
        return self.lookback.first_service_date(today) if self.lookback else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """The facts about a program's organizations and files."""

    code: str  # in the database and in the administration API; it never changes
    name: str
    entity_ids: EntityIds
    roles: frozenset[str]  # values of credentials.models.Role; each of them manages credentials
    dates: DateRules
    resource_types: frozenset[str]  # what its organizations can get, of those that a version of the API has
    roster_formats: tuple[str, ...] = ("cclf",)  # codes of attribution/formats


# The roles of 4i. The Shared Savings Program has those of ACO-MS.
_FOUR_I_ROLES = frozenset(
    {"executive_contact", "entity_primary_contact", "entity_secondary_contact", "dua_requestor", "dua_custodian"}
)
_ADJUDICATED = frozenset({"Patient", "Coverage", "ExplanationOfBenefit"})
_PARTIALLY_ADJUDICATED = frozenset({"Claim", "ClaimResponse"})

SSP = Program(
    code="SSP",
    name="Medicare Shared Savings Program",
    entity_ids=EntityIds("A9994", re.compile("A[0-9]{4}")),
    roles=frozenset({"credential_delegate"}),
    dates=DateRules(lookback=None),
    resource_types=_ADJUDICATED,
)
REACH = Program(
    code="REACH",
    name="ACO REACH",
    entity_ids=EntityIds("D9990", re.compile("D[0-9]{4}")),
    roles=_FOUR_I_ROLES,
    dates=DateRules(Lookback(years=3, month=4, day=1)),
    resource_types=_ADJUDICATED | _PARTIALLY_ADJUDICATED,
)
CKCC = Program(
    code="CKCC",
    name="Comprehensive Kidney Care Contracting",
    entity_ids=EntityIds("C9990", re.compile("C[0-9]{4}")),
    roles=_FOUR_I_ROLES,
    dates=DateRules(Lookback(years=2, month=1, day=1)),
    resource_types=_ADJUDICATED,
)
KCF = Program(
    code="KCF",
    name="Kidney Care First",
    entity_ids=EntityIds("K9990", re.compile("K[0-9]{4}")),
    roles=_FOUR_I_ROLES,
    dates=DateRules(Lookback(years=2, month=1, day=1)),
    resource_types=_ADJUDICATED,
)

PROGRAMS: Registry[str, Program] = Registry("programs", lambda program: program.code, SSP, REACH, CKCC, KCF)


def choices() -> list[tuple[str, str]]:
    """Return each program's code and name, for forms. It is called when it is needed: apps can add programs."""
    return [(program.code, program.name) for program in PROGRAMS]


def program_of(entity_id: str) -> Program | None:
    """Return the program whose entity IDs look like this one, or None."""
    return next((program for program in PROGRAMS if entity_id in program.entity_ids), None)


# --- The release before, which has a column with other codes. This goes with that column. ---

_CODES_BEFORE = {SSP.code: "SSP", REACH.code: "REACH", CKCC.code: "KCC", KCF.code: "KCC"}


def code_before(code: str) -> str:
    """Return the code by which the release before knows a program; "" if it doesn't know it: it gives it no data."""
    return _CODES_BEFORE.get(code, "")


def program_before(code: str, entity_id: str) -> Program | None:
    """Return the program that the release before has stored under its code. KCC is two, told apart by the entity ID."""
    found = program_of(entity_id)
    return found if found and code and code_before(found.code) == code else None
