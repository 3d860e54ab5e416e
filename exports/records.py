"""Facts about a beneficiary and their claims, independent of an API version. Pure.

Sources make them. The builders in exports/fhir render them, each version from the facts and never from another version.
Codes are as CMS stores them (ICD codes without dots, NDCs of eleven digits), amounts are dollars, and unknown facts are
None or left out.
"""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal

from exports.vocabulary import Amounts, CareRole, ClaimKind, Coded, CodeSystem, DiagnosisType, Part

# --- The person and their coverage ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PartDPlan:
    contract: str
    benefit_package: str
    segment: str
    cost_share_group: str  # 00 not enrolled, 01 to 08 low-income subsidy, 09 none
    retiree_subsidy: str  # Y, N


@dataclass(frozen=True, slots=True)
class EnrollmentMonth:
    """The enrollment in one month."""

    dual_status: str  # NA: not a dual; 00: not enrolled in Medicare
    buy_in: str  # 0 none, 1 Part A, 2 Part B, 3 both; A, B, C the same with a state's buy-in
    part_d: PartDPlan | None


@dataclass(frozen=True, slots=True)
class ReferenceYear:
    """The latest known year of enrollment, month by month from January."""

    year: int
    months: tuple[EnrollmentMonth, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    beneficiary_id: int  # negative: the person is synthetic
    mbi: str
    mbi_start_date: dt.date | None
    given_names: tuple[str, ...]
    family_name: str
    birth_date: dt.date
    death_date: dt.date | None
    sex: str  # 0 unknown, 1 male, 2 female
    race: str  # 0 unknown, 1 white, 2 Black, 3 other, 4 Asian, 5 Hispanic, 6 North American Native
    address_lines: tuple[str, ...]
    city: str
    state: str
    zip_code: str
    medicare_status: str  # 10 aged, 11 aged with ESRD, 20 disabled, 21 disabled with ESRD, 31 ESRD
    original_entitlement: str  # 0 age, 1 disability, 2 ESRD, 3 both
    current_entitlement: str
    has_esrd: bool
    reference_year: ReferenceYear | None


@dataclass(frozen=True, slots=True)
class CoveragePeriod:
    part: Part
    start_date: dt.date
    end_date: dt.date | None = None
    termination: str = "0"  # 0: not terminated, 1: death


# --- What all claims have -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Provider:
    """A clinician or an organization."""

    npi: str
    name: str = ""
    specialty: str = ""  # CMS's two characters
    taxonomy: str = ""  # the provider taxonomy's ten
    certification_number: str = ""  # a facility's CCN
    tax_number: str = ""
    state: str = ""
    zip_code: str = ""


@dataclass(frozen=True, slots=True)
class CareTeamMember:
    provider: Provider
    role: CareRole
    provider_type: str = ""  # 0 clinic or group, 1 solo practitioner, 2 supplier
    participation: str = ""  # 1 participating, 2 not


@dataclass(frozen=True, slots=True)
class Diagnosis:
    code: str
    types: tuple[DiagnosisType, ...]
    system: CodeSystem = CodeSystem.ICD_10_CM
    display: str = ""
    present_on_admission: str = ""  # Y, N, U, W, 1; empty: not said


@dataclass(frozen=True, slots=True)
class Procedure:
    code: str
    date: dt.date
    is_principal: bool
    system: CodeSystem = CodeSystem.ICD_10_PCS
    display: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimLine:
    """A line of a claim.

    `care_team` and `diagnoses` are places in the claim's lists, counted from one.
    """

    number: int
    hcpcs: Coded | None
    units: Decimal
    amounts: Amounts
    modifiers: tuple[str, ...] = ()
    ndc: Coded | None = None
    care_team: tuple[int, ...] = ()
    diagnoses: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim as it was adjudicated.

    `recorded_date` is the day when the national claims history got it, a Friday. A load has the claims recorded since
    the load before. Claims that replace each other share a `group_id`, and the last is final.
    """

    kind: ClaimKind
    claim_id: int  # negative: synthetic
    group_id: int
    from_date: dt.date
    through_date: dt.date
    processed_date: dt.date
    recorded_date: dt.date
    payment: Decimal
    amounts: Amounts
    care_team: tuple[CareTeamMember, ...]
    diagnoses: tuple[Diagnosis, ...] = ()
    is_final: bool = True
    is_samhsa: bool = False  # about substance use disorder: never to be disclosed


# --- Institutional claims: inpatient, outpatient --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    start_date: dt.date
    end_date: dt.date | None
    priority: str  # 1 emergency, 2 urgent, 3 elective
    origin: str
    drg: Coded | None
    drg_weight: Decimal | None
    covered_days: int
    coinsurance_days: int = 0
    lifetime_reserve_days: int = 0
    noncovered_days: int = 0
    pps_indicator: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevenueLine(ClaimLine):
    revenue_center: str  # four digits; 0001 is the total of the others
    service_date: dt.date | None
    cost_share_code: str  # 0 deductible and coinsurance apply, 3 neither does
    status_indicator: str = ""  # how the outpatient payment system treats the line
    adjustment_reasons: tuple[str, ...] = ()  # ANSI group and reason, CO45


@dataclass(frozen=True, slots=True, kw_only=True)
class InstitutionalClaim(Claim):
    nch_type: str
    control_number: str
    contractor: str
    facility: Provider
    facility_type: str  # the three characters of the type of bill
    classification: str
    frequency: str
    query_code: str  # 0 credit, 3 final bill, 5 debit
    action_code: str  # 1 original, 2 cancelled, 3 adjusted
    lines: tuple[RevenueLine, ...]
    discharge_status: str = ""
    patient_status: str = ""  # A discharged, B died, C still a patient
    primary_payer: str = ""  # other than Medicare
    managed_care_paid: str = ""  # 0 no, 1 yes
    nonpayment_reason: str = ""
    blood_pints: int | None = None
    admission: Admission | None = None
    procedures: tuple[Procedure, ...] = ()


# --- Claims of physicians and suppliers: carrier --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LabResult:
    test: str  # R1 hemoglobin in g/dL, R2 hematocrit in percent
    value: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLine(ClaimLine):
    from_date: dt.date
    through_date: dt.date
    performer: Provider
    place: str
    type_of_service: str
    betos: str
    is_deductible_waived: bool
    is_paid_in_full: bool
    unit_kind: str = "3"  # services
    processing: str = "A"  # allowed
    reduction: str = "0"  # not reduced
    primary_payer: str = ""
    pricing_locality: str = ""
    laboratory_number: str = ""
    lab_result: LabResult | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfessionalClaim(Claim):
    nch_type: str
    control_number: str
    contractor: str
    billing_npi: str
    entry_code: str  # 1 original, 3 cancelled, 5 replacement
    disposition: str
    payment_denial: str  # 0 denied, 1 paid to the physician or supplier, 2 to the beneficiary
    assignment: str
    lines: tuple[ServiceLine, ...]
    clinical_trial: str = ""
    referring: Provider | None = None


# --- Part D events --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PharmacyClaim(Claim):
    """A fill of a prescription: a claim that is its own only line."""

    prescription_number: str
    plan: PartDPlan
    pharmacy: Provider
    service_type: str
    drug: Coded
    quantity: Decimal
    days_supply: int
    fill_number: int
    is_compound: bool
    is_brand: bool
    origin: str
    dispense_as_written: str
    coverage_status: str  # C covered, E supplemental, O over the counter
    residence: str
    payment_date: dt.date
    dispensing_status: str = ""
    adjustment: str = ""
    nonstandard_format: str = ""
    pricing_exception: str = ""
    catastrophic: str = ""
    submission_clarification: str = ""


# --- Partially adjudicated claims: on their way through the systems that pay them ------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialLine:
    """A line of a claim that is not priced yet."""

    number: int
    hcpcs: Coded | None
    modifiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialClaim:
    """A claim in processing: only its last state is known.

    In the national claims history it has another id and the same control number.
    """

    claim_id: int  # negative: synthetic
    control_number: str
    status: str  # the payment system's own code, one character
    status_date: dt.date
    received_date: dt.date
    from_date: dt.date
    through_date: dt.date
    charge: Decimal
    provider: Provider  # who sent the bill
    diagnoses: tuple[Diagnosis, ...] = ()
    is_samhsa: bool = False  # about substance use disorder: never to be disclosed


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialRevenueLine(PartialLine):
    revenue_center: str  # four digits; 0001 is the total of the others
    units_billed: Decimal
    units_served: Decimal | None = None
    service_date: dt.date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialInstitutionalClaim(PartialClaim):
    """An institution's claim in FISS, the Fiscal Intermediary Shared System."""

    facility_type: str  # the three characters of the type of bill
    classification: str
    frequency: str
    lines: tuple[PartialRevenueLine, ...]
    payers: tuple[str, ...] = ("MEDICARE",)  # in the order in which they are to pay
    admission_priority: str = ""  # 1 emergency, 2 urgent, 3 elective
    drg: Coded | None = None  # known once the claim has been grouped
    procedures: tuple[Procedure, ...] = ()
    adjustment_group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialServiceLine(PartialLine):
    """`diagnoses` are positions in the claim's list, counted from one."""

    from_date: dt.date
    through_date: dt.date
    diagnoses: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialProfessionalClaim(PartialClaim):
    """A physician's or supplier's claim in MCS, the Multi-Carrier System."""

    claim_type: str
    provider_type: str
    lines: tuple[PartialServiceLine, ...]


# --- A beneficiary --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BeneficiaryRecord:
    """Everything that a source has about a beneficiary."""

    person: Person
    coverage: tuple[CoveragePeriod, ...]
    claims: tuple[Claim, ...]
    partial_claims: tuple[PartialClaim, ...] = ()

    @property
    def disclosable_claims(self) -> tuple[Claim, ...]:
        """Return the claims that can be disclosed: 42 CFR Part 2 forbids those about substance use disorder."""
        return tuple(claim for claim in self.claims if not claim.is_samhsa)

    @property
    def disclosable_partial_claims(self) -> tuple[PartialClaim, ...]:
        """Return the partially adjudicated claims that can be disclosed."""
        return tuple(claim for claim in self.partial_claims if not claim.is_samhsa)

    @property
    def withheld_count(self) -> int:
        """Return how many claims are withheld, of both kinds."""
        adjudicated, partial = sum(c.is_samhsa for c in self.claims), sum(c.is_samhsa for c in self.partial_claims)
        return adjudicated + partial
