"""ExplanationOfBenefit: the parts that all kinds of claims share, and the module for each kind. Pure."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from exports.fhir.common import codes, systems
from exports.fhir.v2 import institutional, pharmacy, professional
from exports.fhir.v2.coverage import coverage_id
from exports.fhir.v2.elements import (
    Element,
    coding,
    concept,
    extension,
    identifier_extension,
    instant,
    midnight,
    present,
    variable,
)
from exports.records import Claim, InstitutionalClaim, Person, PharmacyClaim, ProfessionalClaim
from exports.vocabulary import ClaimKind, Part


@dataclass(frozen=True, slots=True)
class _Kind:
    """The names of a kind of claim. BFD gives home health and equipment a wrong type, profile or part. We don't."""

    eob_type: str
    claim_type: str
    profile: str
    part: Part
    near_line: str = ""
    subtype: str = ""


_KINDS: Mapping[ClaimKind, _Kind] = {
    ClaimKind.INPATIENT: _Kind("INPATIENT", "institutional", "Inpatient-Institutional", Part.A, "V", "inpatient"),
    ClaimKind.OUTPATIENT: _Kind("OUTPATIENT", "institutional", "Outpatient-Institutional", Part.B, "W", "outpatient"),
    ClaimKind.CARRIER: _Kind("CARRIER", "professional", "Professional-NonClinician", Part.B, "O"),
    ClaimKind.PDE: _Kind("PDE", "pharmacy", "Pharmacy", Part.D),
}

_UNIQUE_CLAIM_ID = concept(coding(systems.CARIN_IDENTIFIER_TYPE, "uc", "Unique Claim ID"))
_INSURER = {"identifier": {"value": "CMS"}}


def explanation_of_benefit(person: Person, claim: Claim, *, last_updated: dt.datetime) -> Element:
    """Return an ExplanationOfBenefit. Raises TypeError for an unknown class of claim."""
    kind = _KINDS[claim.kind]
    header = present(
        resourceType="ExplanationOfBenefit",
        id=f"{claim.kind}-{claim.claim_id}",
        meta={
            "lastUpdated": instant(last_updated),
            "profile": [f"{systems.CARIN}/StructureDefinition/C4BB-ExplanationOfBenefit-{kind.profile}"],
        },
        identifier=_identifiers(claim),
        status="active" if claim.is_final else "cancelled",
        type=_type(claim, kind),
        subType=_subtype(kind),
        use="claim",
        patient={"reference": f"Patient/{person.beneficiary_id}"},
        billablePeriod=_billable_period(claim),
        created=midnight(claim.processed_date),
        insurer=_INSURER,
        outcome="complete",
        insurance=[{"focal": True, "coverage": _coverage(person, claim, kind)}],
    )
    body = header | _own_elements(claim)
    if kind.near_line:
        body["extension"] = [extension("nch_near_line_rec_ident_cd", kind.near_line), *body.get("extension", [])]
    return body


def _own_elements(claim: Claim) -> Element:
    match claim:
        case InstitutionalClaim():
            return institutional.elements(claim)
        case ProfessionalClaim():
            return professional.elements(claim)
        case PharmacyClaim():
            return pharmacy.elements(claim)
    raise TypeError(f"No ExplanationOfBenefit is made of a {type(claim).__name__}.")


def _identifiers(claim: Claim) -> list[Element]:
    is_pharmacy = isinstance(claim, PharmacyClaim)
    numbers = [
        (variable("pde_id" if is_pharmacy else "clm_id"), str(claim.claim_id)),
        (systems.CLAIM_GROUP, str(claim.group_id)),
    ]
    if isinstance(claim, PharmacyClaim):
        numbers.append((variable("rx_srvc_rfrnc_num"), claim.prescription_number))
    return [{"type": _UNIQUE_CLAIM_ID, "system": system, "value": number} for system, number in numbers]


def _type(claim: Claim, kind: _Kind) -> Element:
    codings = [
        coding(systems.EOB_TYPE, kind.eob_type),
        coding(systems.CLAIM_TYPE, kind.claim_type, kind.claim_type.title()),
    ]
    if isinstance(claim, InstitutionalClaim | ProfessionalClaim):
        nch_type = coding(variable("nch_clm_type_cd"), claim.nch_type, codes.meaning("nch_clm_type_cd", claim.nch_type))
        codings.insert(0, nch_type)
    return concept(*codings)


def _subtype(kind: _Kind) -> Element | None:
    if not kind.subtype:
        return None
    display = kind.subtype.title()
    return {**concept(coding(systems.CARIN_INSTITUTIONAL_SUBTYPE, kind.subtype, display)), "text": display}


def _billable_period(claim: Claim) -> Element:
    query = [extension("claim_query_cd", claim.query_code)] if isinstance(claim, InstitutionalClaim) else []
    return present(extension=query, start=claim.from_date, end=claim.through_date)


def _coverage(person: Person, claim: Claim, kind: _Kind) -> Element:
    reference = {"reference": f"Coverage/{coverage_id(person, kind.part)}"}
    if not isinstance(claim, PharmacyClaim):
        return reference
    plan = [
        identifier_extension("plan_cntrct_rec_id", claim.plan.contract),
        identifier_extension("plan_pbp_rec_num", claim.plan.benefit_package),
    ]
    return {"extension": plan, **reference}
