"""Decides whether a claim in JSON can be disclosed: the codes of 42 CFR Part 2, found in FHIR. Pure.

The list and its time windows are in intake/substance_use.py. This module knows where the codes are in a claim (STU3 and
R4), and under which URLs. A claim that can't be checked can't be disclosed: one with a code of an unknown system,
or a diagnosis without a code.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from enum import StrEnum

import msgspec

from exports.fhir.common import systems
from exports.intake.substance_use import is_listed
from exports.vocabulary import CodeSystem

_DRG_VARIABLE = f"{systems.VARIABLES}/clm_drg_cd"
_DRG_CATEGORIES = frozenset({"drg", _DRG_VARIABLE})

# The same URL has one meaning on a diagnosis and another on a procedure.
_DIAGNOSES: Mapping[str, CodeSystem] = {
    systems.ICD_10_CM: CodeSystem.ICD_10_CM,
    systems.ICD_10: CodeSystem.ICD_10_CM,
    systems.ICD_9_CM: CodeSystem.ICD_9_CM,
}
_PROCEDURES: Mapping[str, CodeSystem] = {
    systems.ICD_10_PCS: CodeSystem.ICD_10_PCS,
    systems.ICD_10: CodeSystem.ICD_10_PCS,
    systems.ICD_10_CM: CodeSystem.ICD_10_PCS,
    "http://hl7.org/fhir/sid/icd-10-pcs": CodeSystem.ICD_10_PCS,
    systems.ICD_9_PROCEDURE: CodeSystem.ICD_9_PROCEDURE,
    systems.ICD_9_CM: CodeSystem.ICD_9_PROCEDURE,
}
_SERVICES: Mapping[str, CodeSystem] = {
    systems.HCPCS: CodeSystem.HCPCS,
    f"{systems.VARIABLES}/hcpcs_cd": CodeSystem.HCPCS,
    systems.HCPCS_RELEASE: CodeSystem.HCPCS,
    "http://www.ama-assn.org/go/cpt": CodeSystem.HCPCS,
}
_GROUPS: Mapping[str, CodeSystem] = {
    _DRG_VARIABLE: CodeSystem.MS_DRG,
    "https://www.cms.gov/Medicare/Medicare-Fee-for-Service-Payment/AcuteInpatientPPS/"
    "MS-DRG-Classifications-and-Software": CodeSystem.MS_DRG,
}
# Drugs and payment groups are not checked, as in CMS's own exports. The others say that there is no code.
_NOT_LOOKED_AT = frozenset(
    {
        systems.NDC,
        "http://www.nlm.nih.gov/research/umls/rxnorm",
        "http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBCompoundLiteral",
        "https://www.cms.gov/Medicare/Medicare-Fee-for-Service-Payment/ProspMedicareFeeSvcPmtGen/HIPPSCodes",
        systems.DATA_ABSENT_REASON,
        "http://hl7.org/fhir/StructureDefinition/data-absent-reason",
    }
)
_LABEL = "42CFRPart2"


class Disclosure(StrEnum):
    """The result of the check of a claim."""

    FREE = "free"
    LISTED = "listed"
    UNJUDGED = "unjudged"


class _Coding(msgspec.Struct, gc=False):
    system: str = ""
    code: str = ""


class _Concept(msgspec.Struct, gc=False):
    coding: list[_Coding] = []


class _Meta(msgspec.Struct, gc=False):
    security: list[_Coding] = []


class _Diagnosis(msgspec.Struct, gc=False, rename="camel"):
    diagnosis_codeable_concept: _Concept = msgspec.field(default_factory=_Concept)
    package_code: _Concept | None = None


class _Procedure(msgspec.Struct, gc=False, rename="camel"):
    procedure_codeable_concept: _Concept = msgspec.field(default_factory=_Concept)


class _Item(msgspec.Struct, gc=False, rename="camel"):
    """A line of a claim, or a part of one. STU3 calls it service, R4 productOrService."""

    product_or_service: _Concept | None = None
    service: _Concept | None = None
    detail: list["_Item"] = []
    sub_detail: list["_Item"] = []


class _Information(msgspec.Struct, gc=False):
    category: _Concept = msgspec.field(default_factory=_Concept)
    code: _Concept = msgspec.field(default_factory=_Concept)


class JudgedClaim(msgspec.Struct, gc=False, rename="camel"):
    """The elements of a FHIR claim that contain its codes."""

    meta: _Meta | None = None
    diagnosis: list[_Diagnosis] = []
    procedure: list[_Procedure] = []
    item: list[_Item] = []
    add_item: list[_Item] = []
    supporting_info: list[_Information] = []


def judge(claim: JudgedClaim, through_date: dt.date | None) -> Disclosure:
    """Return whether a claim can be disclosed. Codes are listed for a time: the claim's last service date counts."""
    if claim.meta and any(label.code == _LABEL for label in claim.meta.security):
        return Disclosure.LISTED
    day = through_date or dt.date.max
    found = Disclosure.FREE
    for system, code in dict.fromkeys(_codes(claim)):
        if system is None or not code:
            found = Disclosure.UNJUDGED
        elif is_listed(system, code, day):
            return Disclosure.LISTED
    return found


_Code = tuple[CodeSystem | None, str]
_NO_CODE: _Code = (None, "")


def _codes(claim: JudgedClaim) -> Iterator[_Code]:
    for diagnosis in claim.diagnosis:
        if not diagnosis.diagnosis_codeable_concept.coding:
            yield _NO_CODE
        yield from _in(diagnosis.diagnosis_codeable_concept, _DIAGNOSES)
        if diagnosis.package_code:
            yield from _groups(diagnosis.package_code)
    for procedure in claim.procedure:
        if not procedure.procedure_codeable_concept.coding:
            yield _NO_CODE
        yield from _in(procedure.procedure_codeable_concept, _PROCEDURES)
    for item in claim.item:
        yield from _services(item)
    for item in claim.add_item:
        yield from _services(item)
    for entry in claim.supporting_info:
        if _is_about_group(entry):
            yield from _groups(entry.code)


def _in(concept: _Concept, known: Mapping[str, CodeSystem]) -> Iterator[_Code]:
    for coding in concept.coding:
        if coding.system not in _NOT_LOOKED_AT:
            yield known.get(coding.system), coding.code


def _services(item: _Item) -> Iterator[_Code]:
    for concept in (item.product_or_service, item.service):
        if concept:
            yield from _in(concept, _SERVICES)
    for part in (*item.detail, *item.sub_detail):
        yield from _services(part)


def _groups(concept: _Concept) -> Iterator[_Code]:
    for system, code in _in(concept, _GROUPS):
        yield system, code.upper().replace("MS-DRG", "").strip().lstrip("0")


def _is_about_group(entry: _Information) -> bool:
    # Lists, because there are very many of these entries.
    return not (
        _DRG_CATEGORIES.isdisjoint([coding.code for coding in entry.category.coding])
        and _GROUPS.keys().isdisjoint([coding.system for coding in entry.code.coding])
    )
