"""The parts that a Claim and its ClaimResponse share: the payment system, the claim's status, the patient. Pure."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from exports.fhir.common import systems
from exports.fhir.v2.elements import Element, coding, concept, instant, present, variable
from exports.records import PartialClaim, PartialInstitutionalClaim, PartialProfessionalClaim, Person

_MEDICARE_NUMBER = concept(coding(systems.IDENTIFIER_TYPE, "MC", "Patient's Medicare number"))
_UNIQUE_CLAIM_ID = concept(coding(systems.CARIN_IDENTIFIER_TYPE, "uc", "Unique Claim ID"))
_GENDERS: Mapping[str, str] = {"1": "male", "2": "female"}
PATIENT = {"reference": "#patient"}


@dataclass(frozen=True, slots=True)
class PaymentState:
    """A payment system's status in FHIR: the outcome, and whether claim and response are still valid."""

    outcome: str
    claim: str = "active"
    response: str = "active"


QUEUED, PARTIAL, COMPLETE = PaymentState("queued"), PaymentState("partial"), PaymentState("complete")


@dataclass(frozen=True, slots=True)
class PaymentSystem:
    """One of the two systems that adjudicate Medicare's claims: its names, and how much of a name it stores."""

    letter: str  # the ids of its claims begin with it
    claim_type: str
    control_number: str  # this and the next four are data elements
    status: str
    received: str
    changed: str
    service_end: str
    states: Mapping[str, PaymentState]
    given: tuple[int, str]  # the letters that it keeps of the first name, and these in words
    family: tuple[int, str]
    knows_birth_date: bool

    def state(self, status: str) -> PaymentState:
        """Return the status. A claim without one has not been processed; one with an unknown status is in progress."""
        code = status.strip().upper()
        return self.states.get(code, PARTIAL) if code else QUEUED


FISS = PaymentSystem(
    letter="f",
    claim_type="institutional",
    control_number="fiss/dcn",
    status="fiss/curr-status",
    received="fiss/recd-dt-cymd",
    changed="fiss/curr-tran-dt-cymd",
    service_end=systems.FISS_SERVICE_END,
    states={
        "A": QUEUED,
        **dict.fromkeys("FIMST", PARTIAL),
        **dict.fromkeys("DPU", COMPLETE),
        "R": PaymentState("complete", claim="cancelled"),
    },
    given=(10, "max 10 chars of first"),
    family=(15, "max 15 chars of last"),
    knows_birth_date=True,
)

MCS = PaymentSystem(
    letter="m",
    claim_type="professional",
    control_number="mcs/icn",
    status="mcs/status-code",
    received="mcs/claim-receipt-date",
    changed="mcs/status-date",
    service_end=systems.MCS_SERVICE_END,
    states={
        **dict.fromkeys("ABJK12", QUEUED),
        **dict.fromkeys("CL38", PARTIAL),
        **dict.fromkeys("DEFGMNPQUVWXY456", COMPLETE),
        **dict.fromkeys("RZ9", PaymentState("complete", claim="cancelled", response="cancelled")),
    },
    given=(1, "first initial"),
    family=(6, "max 6 chars of last"),
    knows_birth_date=False,
)


def payment_system(claim: PartialClaim) -> PaymentSystem:
    """Return the system of a claim. Raises TypeError for a class of claim in neither."""
    match claim:
        case PartialInstitutionalClaim():
            return FISS
        case PartialProfessionalClaim():
            return MCS
    raise TypeError(f"No Claim is made of a {type(claim).__name__}.")


def resource_id(claim: PartialClaim) -> str:
    """Return the status, the same for the Claim and its ClaimResponse."""
    return f"{payment_system(claim).letter}-{claim.claim_id}"


def meta(last_updated: dt.datetime) -> Element:
    return {"lastUpdated": instant(last_updated)}


def identifiers(claim: PartialClaim) -> list[Element]:
    """Return the control number. It leads to the ExplanationOfBenefit that the claim becomes."""
    name = payment_system(claim).control_number
    return [{"type": _UNIQUE_CLAIM_ID, "system": variable(name), "value": claim.control_number}]


def claim_type(claim: PartialClaim) -> Element:
    name = payment_system(claim).claim_type
    return concept(coding(systems.CLAIM_TYPE, name, name.title()))


def contained_patient(person: Person, claim: PartialClaim) -> Element:
    """Return the patient as the payment system stores them: by MBI, with a shortened name."""
    system = payment_system(claim)
    return present(
        resourceType="Patient",
        id="patient",
        identifier=[{"type": _MEDICARE_NUMBER, "system": systems.MBI, "value": person.mbi}],
        name=[_name(person, system)],
        gender=_GENDERS.get(person.sex, "unknown"),
        birthDate=person.birth_date if system.knows_birth_date else None,
    )


def _name(person: Person, system: PaymentSystem) -> Element:
    (given_length, given_words), (family_length, family_words) = system.given, system.family
    first, middle = (*person.given_names, "", "")[:2]
    parts = [(_cut(first, given_length), given_words), (_cut(middle, 1), "middle initial")]
    given = [(name, words) for name, words in parts if name]
    family = person.family_name[:family_length]
    names = " ".join([*(name for name, _ in given), family])
    formats = ", ".join([*(f"[{words}]" for _, words in given), f"[{family_words}]"])
    return present(text=f"{names} ({formats})", family=family, given=[name for name, _ in given])


def _cut(name: str, length: int) -> str:
    """Return the beginning of a name. An initial has a dot."""
    return f"{name[:1]}." if name and length == 1 else name[:length]
