"""Care team, diagnoses and procedures of a claim. Pure."""

from collections.abc import Iterator, Mapping

from exports.fhir.common import systems
from exports.fhir.v2.elements import (
    Element,
    coding,
    concept,
    extension,
    extensions,
    midnight,
    numbered,
    present,
    provider_reference,
    value,
)
from exports.records import Claim, Diagnosis, InstitutionalClaim
from exports.vocabulary import CareRole, CodeSystem, DiagnosisType

# ICD-10 codes appear twice, under the American system and the general one, as in CMS's own exports.
_CLINICAL_SYSTEMS: Mapping[CodeSystem, tuple[str, ...]] = {
    CodeSystem.ICD_9_CM: (systems.ICD_9_CM,),
    CodeSystem.ICD_9_PROCEDURE: (systems.ICD_9_PROCEDURE,),
    CodeSystem.ICD_10_CM: (systems.ICD_10_CM, systems.ICD_10),
    CodeSystem.ICD_10_PCS: (systems.ICD_10_PCS, systems.ICD_10),
}

_ROLES: Mapping[CareRole, Element] = {
    role: concept(coding(system, role.value, display))
    for role, system, display in (
        (CareRole.ATTENDING, systems.CARIN_CARE_TEAM_ROLE, "Attending"),
        (CareRole.OPERATING, systems.CARIN_CARE_TEAM_ROLE, "Operating"),
        (CareRole.OTHER_OPERATING, systems.CARIN_CARE_TEAM_ROLE, "Other Operating"),
        (CareRole.PERFORMING, systems.CARIN_CARE_TEAM_ROLE, "Performing provider"),
        (CareRole.PRESCRIBING, systems.CARIN_CARE_TEAM_ROLE, "Prescribing provider"),
        (CareRole.PRIMARY, systems.CARE_TEAM_ROLE, "Primary provider"),
        (CareRole.REFERRING, systems.CARIN_CARE_TEAM_ROLE, "Referring"),
    )
}

_DIAGNOSIS_TYPES: Mapping[DiagnosisType, Element] = {
    kind: concept(coding(system, kind.value, display))
    for kind, system, display in (
        (DiagnosisType.ADMITTING, systems.DIAGNOSIS_TYPE, "Admitting Diagnosis"),
        (DiagnosisType.EXTERNAL_CAUSE, systems.CARIN_DIAGNOSIS_TYPE, "External Cause of Injury"),
        (DiagnosisType.OTHER, systems.CARIN_DIAGNOSIS_TYPE, "Other"),
        (DiagnosisType.PRINCIPAL, systems.DIAGNOSIS_TYPE, "Principal Diagnosis"),
        (DiagnosisType.REASON_FOR_VISIT, systems.CARIN_DIAGNOSIS_TYPE, "Patient Reason for Visit"),
        (DiagnosisType.SECONDARY, systems.CARIN_DIAGNOSIS_TYPE, "Secondary"),
    )
}

_PROCEDURE_TYPES: Mapping[bool, Element] = {
    True: concept(coding(systems.CARIN_PROCEDURE_TYPE, "principal", "Principal")),
    False: concept(coding(systems.CARIN_PROCEDURE_TYPE, "other", "Other")),
}


def care_team(claim: Claim) -> list[Element]:
    return numbered(
        {"provider": provider_reference(member.provider), "role": _ROLES[member.role]} for member in claim.care_team
    )


def performing_team(claim: Claim) -> list[Element]:
    """Return the care team of a physician's or supplier's claim. The performing provider has the provider type."""
    team = care_team(claim)
    for element, member in zip(team, claim.care_team, strict=True):
        if member.role == CareRole.PERFORMING:
            element["extension"] = extensions(
                carr_line_prvdr_type_cd=member.provider_type, prtcptng_ind_cd=member.participation
            )
            element["responsible"] = True
            element["qualification"] = concept(
                coding(systems.PROVIDER_TAXONOMY, member.provider.taxonomy),
                value("prvdr_spclty", member.provider.specialty),
            )
    return team


def diagnoses(claim: Claim) -> list[Element]:
    """Return each code once, with all its roles on the claim (admitting, principal, …)."""
    return numbered(
        present(
            extension=on_admission,
            diagnosisCodeableConcept=_clinical(diagnosis.system, diagnosis.code, diagnosis.display),
            type=[_DIAGNOSIS_TYPES[kind] for kind in diagnosis.types],
        )
        for diagnosis, on_admission in zip(claim.diagnoses, _on_admission(claim.diagnoses), strict=True)
    )


def _on_admission(found: tuple[Diagnosis, ...]) -> Iterator[list[Element]]:
    """Return whether each diagnosis was present on admission. External causes are counted separately."""
    inner = outer = 0
    for diagnosis in found:
        if not diagnosis.present_on_admission:
            yield []
        elif DiagnosisType.EXTERNAL_CAUSE in diagnosis.types:
            outer += 1
            yield [extension(f"clm_e_poa_ind_sw{outer}", diagnosis.present_on_admission)]
        else:
            inner += 1
            yield [extension(f"clm_poa_ind_sw{inner}", diagnosis.present_on_admission)]


def procedures(claim: InstitutionalClaim) -> list[Element]:
    return numbered(
        {
            "type": [_PROCEDURE_TYPES[procedure.is_principal]],
            "date": midnight(procedure.date),
            "procedureCodeableConcept": _clinical(procedure.system, procedure.code, procedure.display),
        }
        for procedure in claim.procedures
    )


def _clinical(system: CodeSystem, code: str, display: str) -> Element:
    return concept(*(coding(url, code, display or None) for url in _CLINICAL_SYSTEMS[system]))
