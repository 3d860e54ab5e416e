"""The Medicare programs whose organizations can get claims: a record of facts for each. Pure.

An organization names its program by the code. A program that isn't in PROGRAMS has no rules, so its organizations get
nothing. No other module asks which program it is: each reads the facts that are its business.
"""

import datetime as dt
import re
from dataclasses import dataclass, replace

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

    lookback: Lookback | None = None
    floor: dt.date | None = None  # the same on every day

    def first_service_date(self, today: dt.date) -> dt.date | None:
        """Return the earliest service date that an organization can see on a day. None if there is no limit."""
        rolling = self.lookback.first_service_date(today) if self.lookback else None
        return max(filter(None, (rolling, self.floor)), default=None)


@dataclass(frozen=True, slots=True)
class ConsentRule:
    """Whether beneficiaries can keep their claims from the organizations of a program."""

    honors_opt_outs: bool = True  # of the beneficiary preference files; False: no opt-out has an effect


@dataclass(frozen=True, slots=True)
class ApiVersions:
    """The versions of the API that organizations can use, by number: only some of them, or all but some."""

    only: frozenset[int] | None = None  # None for all
    without: frozenset[int] = frozenset()

    def __contains__(self, number: int) -> bool:
        return number not in self.without and (self.only is None or number in self.only)


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
    consent: ConsentRule = ConsentRule()
    api_versions: ApiVersions = ApiVersions()


PARTIALLY_ADJUDICATED = frozenset({"Claim", "ClaimResponse"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Exceptions:
    """What differs for one organization from its program. None where nothing does."""

    api_versions: tuple[int, ...] | None = None  # these and no others
    claims_from_date: dt.date | None = None  # takes the place of the look-back
    has_partially_adjudicated: bool | None = None  # whether it gets Claim and ClaimResponse

    def applied_to(self, program: Program) -> Program:
        """Return the program's facts as they are for the organization."""
        types = program.resource_types
        if self.has_partially_adjudicated is not None:
            types = types | PARTIALLY_ADJUDICATED if self.has_partially_adjudicated else types - PARTIALLY_ADJUDICATED
        return replace(
            program,
            api_versions=ApiVersions(only=frozenset(self.api_versions)) if self.api_versions else program.api_versions,
            dates=DateRules(floor=self.claims_from_date) if self.claims_from_date else program.dates,
            resource_types=types,
        )


# The roles of 4i, the portal of the models of the Innovation Center. The Shared Savings Program has those of ACO-MS.
_FOUR_I_ROLES = frozenset(
    {"executive_contact", "entity_primary_contact", "entity_secondary_contact", "dua_requestor", "dua_custodian"}
)
_ADJUDICATED = frozenset({"Patient", "Coverage", "ExplanationOfBenefit"})
# Version 1 is FHIR STU3. BCDA has never had it for the newest models.
_WITHOUT_STU3 = ApiVersions(without=frozenset({1}))

SSP = Program(
    code="SSP",
    name="Medicare Shared Savings Program",
    entity_ids=EntityIds("A9994", re.compile("A[0-9]{4}")),
    roles=frozenset({"credential_delegate"}),
    dates=DateRules(),
    resource_types=_ADJUDICATED,
)
REACH = Program(
    code="REACH",
    name="ACO REACH",
    entity_ids=EntityIds("D9990", re.compile("D[0-9]{4}")),
    roles=_FOUR_I_ROLES,
    dates=DateRules(Lookback(years=3, month=4, day=1)),
    resource_types=_ADJUDICATED | PARTIALLY_ADJUDICATED,
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
CEC = Program(
    code="CEC",
    name="Comprehensive ESRD Care",
    entity_ids=EntityIds("E9990", re.compile("E[0-9]{4}")),
    roles=_FOUR_I_ROLES,
    dates=DateRules(),
    resource_types=_ADJUDICATED,
)
NGACO = Program(
    code="NGACO",
    name="Next Generation ACO",
    entity_ids=EntityIds("V990", re.compile("V[0-9]{3}")),
    roles=_FOUR_I_ROLES,
    dates=DateRules(),
    resource_types=_ADJUDICATED,
)
MDTCOC = Program(
    code="MDTCOC",
    name="Maryland Total Cost of Care",
    entity_ids=EntityIds("CT999990", re.compile("CT[0-9]{4,6}")),
    roles=_FOUR_I_ROLES,
    dates=DateRules(),
    resource_types=_ADJUDICATED | PARTIALLY_ADJUDICATED,
    roster_formats=("csv",),
    consent=ConsentRule(honors_opt_outs=False),
)
CDAC = Program(
    code="CDAC",
    name="CDAC",
    entity_ids=EntityIds("DA9990", re.compile("DA[0-9]{4}")),
    roles=_FOUR_I_ROLES,
    dates=DateRules(),
    resource_types=_ADJUDICATED | PARTIALLY_ADJUDICATED,
    roster_formats=("csv",),
)
GUIDE = Program(
    code="GUIDE",
    name="Guiding an Improved Dementia Experience",
    entity_ids=EntityIds("GUIDE-9990", re.compile("GUIDE-[0-9]{4}")),
    roles=_FOUR_I_ROLES,
    # For new programs. An established one sees claims from 2021-07-01 on: that is an exception of the organization.
    dates=DateRules(floor=dt.date(2022, 7, 1)),
    resource_types=_ADJUDICATED,
    roster_formats=("csv",),
    api_versions=_WITHOUT_STU3,
)
ACCESS = Program(
    code="ACCESS",
    name="Advancing Chronic Care with Effective, Scalable Solutions",
    entity_ids=EntityIds("ACCES99990", re.compile("ACCES[0-9]{5}")),
    roles=_FOUR_I_ROLES,
    # BCDA names three years and no day of the year from which to count them, so there they have no effect either.
    dates=DateRules(),
    resource_types=_ADJUDICATED,
    roster_formats=("csv",),
    api_versions=_WITHOUT_STU3,
)
IOTA = Program(
    code="IOTA",
    name="Increasing Organ Transplant Access",
    entity_ids=EntityIds("IOTA990", re.compile("IOTA[0-9]{3}")),
    roles=_FOUR_I_ROLES,
    dates=DateRules(),
    resource_types=_ADJUDICATED | PARTIALLY_ADJUDICATED,
    api_versions=_WITHOUT_STU3,
)
# Only where the setting TEST_PROGRAM is on: see credentials/apps.py.
TEST = Program(
    code="TEST",
    name="Test organizations",
    entity_ids=EntityIds("TEST990", re.compile("TEST[0-9]{3}")),
    roles=_FOUR_I_ROLES,
    dates=DateRules(),
    resource_types=_ADJUDICATED | PARTIALLY_ADJUDICATED,
)

PROGRAMS: Registry[str, Program] = Registry(
    "programs",
    lambda program: program.code,
    *(SSP, REACH, CKCC, KCF, CEC, NGACO, MDTCOC, CDAC, GUIDE, ACCESS, IOTA),
)


def choices() -> list[tuple[str, str]]:
    """Return each program's code and name, for forms. It is called when it is needed: apps can add programs."""
    return [(program.code, program.name) for program in PROGRAMS]


def program_of(entity_id: str) -> Program | None:
    """Return the program whose entity IDs look like this one, or None."""
    return next((program for program in PROGRAMS if entity_id in program.entity_ids), None)


# --- The release before, which has a column with other codes. This goes with that column. ---

_CODES_BEFORE = {SSP.code: "SSP", REACH.code: "REACH", CKCC.code: "KCC", KCF.code: "KCC"}


def code_before(code: str) -> str:
    """Return the code by which the release before knows a program; "" if it doesn't know it.

    The release before exports for such an organization without the program's dates: see docs/production.md.
    """
    return _CODES_BEFORE.get(code, "")


def program_before(code: str, entity_id: str) -> Program | None:
    """Return the program that the release before has stored under its code. KCC is two, told apart by the entity ID."""
    found = program_of(entity_id)
    return found if found and code and code_before(found.code) == code else None
