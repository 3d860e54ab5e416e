"""The public codes that synthetic claims are made of, from codes.json: which go together, how often, at what price.

ICD-10, HCPCS Level II, MS-DRG and NDC only, with short words of our own: CPT is not free. The weights and prices are
estimates, good enough to look like Medicare and no statistics of it.
"""

from decimal import Decimal
from importlib.resources import files

import msgspec


class Condition(msgspec.Struct, frozen=True):
    """A chronic condition: who treats it, with drugs of which classes."""

    code: str
    weight: float
    specialty: str
    drugs: tuple[str, ...] = ()
    sex: str = ""


class Complaint(msgspec.Struct, frozen=True):
    """A reason to see a doctor that passes."""

    code: str
    weight: float


class Service(msgspec.Struct, frozen=True):
    """What a physician or supplier bills. `allowed` is for one unit."""

    code: str
    display: str
    allowed: Decimal
    weight: float
    specialties: tuple[str, ...]
    betos: str
    place: str = "11"
    type_of_service: str = "1"
    diagnoses: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()  # one of these chronic conditions
    sex: str = ""
    first_year: int = 0
    months: tuple[int, ...] = ()
    units: tuple[int, int] = (1, 1)
    modifiers: tuple[str, ...] = ()
    joined_by: tuple[str, ...] = ()  # at times billed along
    always_joined_by: tuple[str, ...] = ()
    is_preventive: bool = False
    once_a_year: bool = False
    hemoglobin: str = ""  # the test whose result is billed along


class VisitLine(msgspec.Struct, frozen=True):
    """A revenue line of an outpatient claim. `allowed` and `charge` are for one unit."""

    revenue: str
    allowed: Decimal
    charge: Decimal
    status: str
    hcpcs: str = ""
    display: str = ""
    units: tuple[int, int] = (1, 1)
    likely: int = 100  # percent
    is_free: bool = False


class Visit(msgspec.Struct, frozen=True):
    """A kind of outpatient claim."""

    name: str
    weight: float
    bill: str  # type of bill
    lines: tuple[VisitLine, ...]
    diagnoses: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    sex: str = ""
    months: tuple[int, ...] = ()
    visits: tuple[int, int] = (1, 1)
    is_emergency: bool = False
    once_a_year: bool = False


class Episode(msgspec.Struct, frozen=True):
    """A hospital stay and what follows it. The first diagnosis is the principal one."""

    name: str
    weight: float
    diagnoses: tuple[str, ...]
    drgs: tuple[str, ...]
    stay: tuple[int, int]  # nights
    admitting: str = ""
    procedures: tuple[str, ...] = ()
    external_causes: tuple[str, ...] = ()
    follow_up_specialty: str = ""
    follow_up_drugs: tuple[str, ...] = ()
    is_surgical: bool = False
    is_elective: bool = False
    has_injury: bool = False


class StayLine(msgspec.Struct, frozen=True):
    """A revenue line of an inpatient claim; `share` is its part of the charges."""

    revenue: str
    share: int
    when: str = "always"  # always, surgical, transfusion, unplanned
    likely: int = 100
    hcpcs: str = ""
    display: str = ""
    is_daily: bool = False


class Drug(msgspec.Struct, frozen=True):
    code: str
    name: str
    class_: str = msgspec.field(name="class")
    weight: float
    is_brand: bool
    quantity: Decimal
    days: int
    cost: Decimal


class Group(msgspec.Struct, frozen=True):
    """A diagnosis related group."""

    display: str
    weight: Decimal


class Specialty(msgspec.Struct, frozen=True):
    code: str
    taxonomy: str


class Sensitive(msgspec.Struct, frozen=True):
    """What makes a claim one about substance use disorder."""

    episode: Episode
    diagnoses: tuple[str, ...]
    services: tuple[Service, ...]


class CostSharing(msgspec.Struct, frozen=True):
    """What beneficiaries pay themselves in a year, in dollars."""

    year: int
    part_a_deductible: Decimal
    part_b_deductible: Decimal
    part_d_deductible: Decimal
    part_d_initial_limit: Decimal | None  # of drug costs, where the coverage gap begins; since 2025 there is none
    part_d_threshold: Decimal  # of out-of-pocket payments, where catastrophic coverage begins


class Codes(msgspec.Struct, frozen=True):
    conditions: tuple[Condition, ...]
    complaints: tuple[Complaint, ...]
    services: tuple[Service, ...]
    outpatient: tuple[Visit, ...]
    dialysis: Visit
    episodes: tuple[Episode, ...]
    stay_lines: tuple[StayLine, ...]
    sensitive: Sensitive
    diagnoses: dict[str, str]
    procedures: dict[str, str]
    drgs: dict[str, Group]
    drugs: tuple[Drug, ...]
    specialties: tuple[Specialty, ...]
    contractors: tuple[str, ...]
    cost_sharing: tuple[CostSharing, ...]


CODES = msgspec.json.decode(files(__package__).joinpath("codes.json").read_bytes(), type=Codes)
SERVICES = {service.code: service for service in CODES.services}
