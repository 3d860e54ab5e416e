"""Patient: a beneficiary's identity. Pure."""

import datetime as dt
from collections.abc import Mapping

from exports.fhir.common import systems
from exports.fhir.v2.elements import Element, coding, concept, extension, instant, present, variable
from exports.records import Person

_GENDERS: Mapping[str, str] = {"1": "male", "2": "female"}
_SNOMED_SEX: Mapping[str, str] = {"1": "248153007", "2": "248152002"}
# CMS's race code mixes race and ethnicity. For its other values the race is unknown.
_OMB_RACES: Mapping[str, tuple[str, str]] = {
    "1": ("2106-3", "White"),
    "2": ("2054-5", "Black or African American"),
    "4": ("2028-9", "Asian"),
    "6": ("1002-5", "American Indian or Alaska Native"),
}

_MEMBER = concept(coding(systems.IDENTIFIER_TYPE, "MB", "Member Number"))
_CURRENT = coding(systems.IDENTIFIER_CURRENCY, "current", "Current")
_MEDICARE_NUMBER = concept(
    {
        "extension": [{"url": systems.IDENTIFIER_CURRENCY, "valueCoding": _CURRENT}],
        **coding(systems.IDENTIFIER_TYPE, "MC", "Patient's Medicare number"),
    }
)


def patient(person: Person, *, last_updated: dt.datetime) -> Element:
    died = {"deceasedDateTime": person.death_date} if person.death_date else {"deceasedBoolean": False}
    return present(
        resourceType="Patient",
        id=str(person.beneficiary_id),
        meta={"lastUpdated": instant(last_updated), "profile": [f"{systems.CARIN}/StructureDefinition/C4BB-Patient"]},
        extension=[*_sex(person), extension("race", person.race), _race(person), *_reference_year(person)],
        identifier=_identifiers(person),
        name=[{"use": "usual", "family": person.family_name, "given": list(person.given_names)}],
        gender=_GENDERS.get(person.sex, "unknown"),
        birthDate=person.birth_date,
        **died,
        address=[
            present(line=list(person.address_lines), city=person.city, state=person.state, postalCode=person.zip_code)
        ],
    )


def _identifiers(person: Person) -> list[Element]:
    since = {"start": person.mbi_start_date} if person.mbi_start_date else None
    return [
        {"type": _MEMBER, "system": variable("bene_id"), "value": str(person.beneficiary_id)},
        present(type=_MEDICARE_NUMBER, system=systems.MBI, value=person.mbi, period=since),
    ]


def _sex(person: Person) -> list[Element]:
    code = _SNOMED_SEX.get(person.sex)
    return [{"url": f"{systems.US_CORE}/us-core-sex", "valueCode": code}] if code else []


def _race(person: Person) -> Element:
    code, display = _OMB_RACES.get(person.race, ("UNK", "Unknown"))
    system = systems.OMB_RACE if person.race in _OMB_RACES else systems.NULL_FLAVOR
    return {
        "url": f"{systems.US_CORE}/us-core-race",
        "extension": [
            {"url": "ombCategory", "valueCoding": coding(system, code, display)},
            {"url": "text", "valueString": display},
        ],
    }


def _reference_year(person: Person) -> list[Element]:
    known = person.reference_year
    if known is None:
        return []
    return [
        {"url": variable("rfrnc_yr"), "valueDate": str(known.year)},
        *(extension(f"dual_{month:02}", enrollment.dual_status) for month, enrollment in enumerate(known.months, 1)),
    ]
