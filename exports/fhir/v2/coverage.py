"""Coverage: one resource for each of a beneficiary's parts of Medicare. Pure."""

import datetime as dt

from exports.fhir.common import systems
from exports.fhir.v2.elements import Element, coding, concept, extension, extensions, instant, period, present, variable
from exports.records import CoveragePeriod, Person, ReferenceYear
from exports.vocabulary import Part

_TYPE = concept(coding(systems.ACT_CODE, "SUBSIDIZ"))
_SELF = concept(coding(systems.RELATIONSHIP, "self", "Self"))
_PAYOR = {"identifier": {"value": "Centers for Medicare and Medicaid Services"}}
_GROUP = {"type": concept(coding(systems.COVERAGE_CLASS, "group", "Group")), "value": "Medicare"}
_PLAN = concept(coding(systems.COVERAGE_CLASS, "plan", "Plan"))
_NOT_TERMINATED = "0"


def coverage_id(person: Person, part: Part) -> str:
    return f"part-{part.lower()}-{person.beneficiary_id}"


def coverage(person: Person, covered: CoveragePeriod, *, last_updated: dt.datetime) -> Element:
    return present(
        resourceType="Coverage",
        id=coverage_id(person, covered.part),
        meta={"lastUpdated": instant(last_updated), "profile": [f"{systems.CARIN}/StructureDefinition/C4BB-Coverage"]},
        extension=[*_entitlement(person, covered), *_reference_year(person.reference_year, covered.part)],
        status="active" if covered.termination == _NOT_TERMINATED else "cancelled",
        type=_TYPE,
        subscriberId=person.mbi,
        beneficiary={"reference": f"Patient/{person.beneficiary_id}"},
        relationship=_SELF,
        period=period(covered.start_date, covered.end_date),
        payor=[_PAYOR],
        **{"class": [_GROUP, {"type": _PLAN, "value": f"Part {covered.part}"}]},
    )


def _entitlement(person: Person, covered: CoveragePeriod) -> list[Element]:
    match covered.part:
        case Part.A:
            return extensions(
                ms_cd=person.medicare_status,
                orec=person.original_entitlement,
                crec=person.current_entitlement,
                esrd_ind="Y" if person.has_esrd else "0",
                a_trm_cd=covered.termination,
            )
        case Part.B:
            return extensions(ms_cd=person.medicare_status, b_trm_cd=covered.termination)
        case _:
            return extensions(ms_cd=person.medicare_status)


def _reference_year(known: ReferenceYear | None, part: Part) -> list[Element]:
    """Return the months of the latest known year."""
    if known is None:
        return []
    found: list[Element] = [{"url": variable("rfrnc_yr"), "valueDate": str(known.year)}]
    for month, enrollment in enumerate(known.months, 1):
        found.append(extension(f"dual_{month:02}", enrollment.dual_status))
        found.append(extension(f"buyin{month:02}", enrollment.buy_in))
        if part is Part.D and enrollment.part_d:
            plan = enrollment.part_d
            found += [
                extension(f"ptdcntrct{month:02}", plan.contract),
                extension(f"ptdpbpid{month:02}", plan.benefit_package),
                extension(f"sgmtid{month:02}", plan.segment),
                extension(f"cstshr{month:02}", plan.cost_share_group),
                extension(f"rdsind{month:02}", plan.retiree_subsidy),
            ]
    return found
