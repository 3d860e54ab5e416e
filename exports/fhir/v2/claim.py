"""Claim: what was billed on a claim that is still being adjudicated. Pure.

BFD has no insurance if MCS names no payer, and uses modifiers as versions of their code system. Here a Claim has the
insurance that the standard requires, and modifiers are in their order.
"""

import datetime as dt
from collections.abc import Iterator, Mapping

from exports.fhir.common import systems
from exports.fhir.v2 import information, partial
from exports.fhir.v2.coverage import coverage_id
from exports.fhir.v2.elements import (
    NO_SERVICE,
    NPI_TYPE,
    Element,
    coding,
    concept,
    extension,
    extensions,
    midnight,
    money,
    numbered,
    period,
    present,
    quantity_extension,
    value,
    variable,
)
from exports.records import (
    Diagnosis,
    PartialClaim,
    PartialInstitutionalClaim,
    PartialLine,
    PartialProfessionalClaim,
    PartialRevenueLine,
    PartialServiceLine,
    Person,
    Procedure,
    Provider,
)
from exports.vocabulary import CodeSystem, DiagnosisType, Part

_MEDICARE = "MEDICARE"
_NORMAL = concept(coding(systems.PROCESS_PRIORITY, "normal", "Normal"))
_PROVIDER_NUMBER = concept(coding(systems.IDENTIFIER_TYPE, "PRN", "Provider number"))
_TAX_NUMBER = concept(coding(systems.IDENTIFIER_TYPE, "TAX", "Tax ID number"))

_CLINICAL_SYSTEMS: Mapping[CodeSystem, str] = {
    CodeSystem.ICD_9_CM: systems.ICD_9_CM,
    CodeSystem.ICD_9_PROCEDURE: systems.ICD_9_PROCEDURE,
    CodeSystem.ICD_10_CM: systems.ICD_10_CM,
    CodeSystem.ICD_10_PCS: systems.ICD_10_PCS,
}
# The payment systems separate these two from the others, but not the others from each other.
_DIAGNOSIS_TYPES: Mapping[DiagnosisType, Element] = {
    kind: concept(coding(systems.DIAGNOSIS_TYPE, kind.value, f"{kind.value.title()} Diagnosis"))
    for kind in (DiagnosisType.ADMITTING, DiagnosisType.PRINCIPAL)
}


def claim(person: Person, billed: PartialClaim, *, last_updated: dt.datetime) -> Element:
    """Return a Claim. Raises TypeError for an unknown class of claim."""
    own_elements = _own_elements(person, billed)
    header = present(
        resourceType="Claim",
        id=partial.resource_id(billed),
        meta=partial.meta(last_updated),
        contained=[partial.contained_patient(person, billed), _organization(billed)],
        identifier=partial.identifiers(billed),
        status=partial.payment_system(billed).state(billed.status).claim,
        type=partial.claim_type(billed),
        use="claim",
        patient=partial.PATIENT,
        billablePeriod=period(billed.from_date, billed.through_date),
        created=midnight(billed.received_date),
        provider={"reference": "#provider-org"},
        priority=_NORMAL,
        diagnosis=numbered(_diagnosis(diagnosis) for diagnosis in billed.diagnoses),
        total=money(billed.charge),
    )
    return header | own_elements


def _own_elements(person: Person, billed: PartialClaim) -> Element:
    match billed:
        case PartialInstitutionalClaim():
            return _institutional(billed)
        case PartialProfessionalClaim():
            return _professional(person, billed)
    raise TypeError(f"No Claim is made of a {type(billed).__name__}.")


def _organization(billed: PartialClaim) -> Element:
    of_mcs = billed if isinstance(billed, PartialProfessionalClaim) else None
    provider_type = of_mcs.provider_type if of_mcs else ""
    specialty = billed.provider.specialty if of_mcs else ""
    tax_number = "mcs/bill-prov-ein" if of_mcs else "fiss/fed-tax-nb"
    return present(
        resourceType="Organization",
        id="provider-org",
        extension=extensions(**{"mcs/bill-prov-type": provider_type, "mcs/bill-prov-spec": specialty}),
        identifier=list(_organization_identifiers(billed.provider, tax_number)),
        name=billed.provider.name or None,
    )


def _organization_identifiers(provider: Provider, tax_number: str) -> Iterator[Element]:
    if provider.certification_number:
        number = provider.certification_number
        yield {"type": _PROVIDER_NUMBER, "system": variable("fiss/meda-prov-6"), "value": number}
    if provider.tax_number:
        yield {"type": _TAX_NUMBER, "system": variable(tax_number), "value": provider.tax_number}
    if provider.npi:
        yield {"type": NPI_TYPE, "system": systems.NPI, "value": provider.npi}


def _diagnosis(diagnosis: Diagnosis) -> Element:
    present_on_admission = diagnosis.present_on_admission
    return present(
        diagnosisCodeableConcept=_clinical(diagnosis.system, diagnosis.code, diagnosis.display),
        type=[_DIAGNOSIS_TYPES[kind] for kind in diagnosis.types if kind in _DIAGNOSIS_TYPES],
        onAdmission=concept(value("fiss/diag-poa-ind", present_on_admission)) if present_on_admission else None,
    )


def _clinical(system: CodeSystem, code: str, display: str) -> Element:
    return concept(coding(_CLINICAL_SYSTEMS[system], code, display or None))


# --- FISS -----------------------------------------------------------------------------------------------------------


def _institutional(billed: PartialInstitutionalClaim) -> Element:
    facility = {"extension": [extension("fiss/lob-cd", billed.facility_type)]} if billed.facility_type else None
    return present(
        extension=extensions(**{"fiss/serv-typ-cd": billed.classification}),
        facility=facility,
        supportingInfo=numbered(_information(billed)),
        procedure=numbered(map(_procedure, billed.procedures)),
        insurance=numbered(map(_payer, billed.payers)),
        item=[_revenue_item(line) for line in billed.lines],
    )


def _information(billed: PartialInstitutionalClaim) -> Iterator[Element]:
    yield information.carin("typeofbill", code=concept(value("fiss/freq-cd", billed.frequency)))
    if billed.drg:
        drg = coding(variable("clm_drg_cd"), billed.drg.code, billed.drg.display or None)
        yield information.of_cms("clm_drg_cd", code=concept(drg))
    if billed.admission_priority:
        priority = coding(systems.NUBC_ADMISSION_PRIORITY, billed.admission_priority)
        yield information.carin("admtype", "clm_ip_admsn_type_cd", code=concept(priority))


def _procedure(procedure: Procedure) -> Element:
    return {
        "date": midnight(procedure.date),
        "procedureCodeableConcept": _clinical(procedure.system, procedure.code, procedure.display),
    }


def _payer(name: str) -> Element:
    identifier = {"system": variable("fiss/payers-name"), "value": name}
    return {"focal": name == _MEDICARE, "coverage": {"identifier": identifier}}


def _revenue_item(line: PartialRevenueLine) -> Element:
    served = [quantity_extension("fiss/rev-serv-unit-cnt", line.units_served)] if line.units_served is not None else []
    return present(
        sequence=line.number,
        extension=served,
        revenue=concept(value("fiss/rev-cd", line.revenue_center)),
        productOrService=_service(line),
        modifier=_modifiers(line),
        servicedDate=line.service_date,
        quantity={"value": line.units_billed},
    )


# --- MCS ------------------------------------------------------------------------------------------------------------


def _professional(person: Person, billed: PartialProfessionalClaim) -> Element:
    coverage = {"reference": f"Coverage/{coverage_id(person, Part.B)}"}
    return present(
        extension=extensions(**{"mcs/claim-type": billed.claim_type}),
        insurance=[{"sequence": 1, "focal": True, "coverage": coverage}],
        item=[_service_item(line) for line in billed.lines],
    )


def _service_item(line: PartialServiceLine) -> Element:
    return present(
        sequence=line.number,
        diagnosisSequence=list(line.diagnoses),
        productOrService=_service(line),
        modifier=_modifiers(line),
        servicedPeriod=period(line.from_date, line.through_date),
    )


# --- Lines of both --------------------------------------------------------------------------------------------------


def _service(line: PartialLine) -> Element:
    if line.hcpcs is None:
        return NO_SERVICE
    return concept(coding(systems.HCPCS_RELEASE, line.hcpcs.code, line.hcpcs.display or None))


def _modifiers(line: PartialLine) -> list[Element]:
    return [concept(coding(systems.HCPCS_RELEASE, modifier)) for modifier in line.modifiers]
