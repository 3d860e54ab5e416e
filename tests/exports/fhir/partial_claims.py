"""A partially adjudicated claim of each system, and what a client reads of it."""

import datetime as dt
import json
from dataclasses import replace
from decimal import Decimal

import pytest
from fhir.resources.R4B.claim import Claim
from fhir.resources.R4B.claimresponse import ClaimResponse

from exports.fhir import v2
from exports.fhir.common import systems
from exports.fhir.common.ndjson import line
from exports.records import (
    BeneficiaryRecord,
    Diagnosis,
    PartialClaim,
    PartialInstitutionalClaim,
    PartialProfessionalClaim,
    PartialRevenueLine,
    PartialServiceLine,
    Procedure,
    Provider,
)
from exports.vocabulary import Coded, CodeSystem, DiagnosisType
from tests.exports.made_up import LAST_UPDATED

MODELS = {"Claim": Claim, "ClaimResponse": ClaimResponse}
FISS, MCS = f"{systems.VARIABLES}/fiss", f"{systems.VARIABLES}/mcs"
RECEIVED, CHANGED = dt.date(2026, 11, 10), dt.date(2026, 11, 17)
FIRST_DAY, LAST_DAY = dt.date(2026, 11, 2), dt.date(2026, 11, 6)

STAY = PartialInstitutionalClaim(
    claim_id=-100_000_000_000_000_123,
    control_number="21236900012345SYN",
    status="S",
    status_date=CHANGED,
    received_date=RECEIVED,
    from_date=FIRST_DAY,
    through_date=LAST_DAY,
    charge=Decimal("18250.40"),
    provider=Provider(npi="9219000008", name="Synthetic Hospital IA 1", certification_number="001901"),
    diagnoses=(
        Diagnosis("R0602", (DiagnosisType.ADMITTING,)),
        Diagnosis("I5033", (DiagnosisType.PRINCIPAL,), display="Heart failure", present_on_admission="Y"),
        Diagnosis("N179", (), present_on_admission="N"),
    ),
    facility_type="1",
    classification="1",
    frequency="1",
    payers=("MEDICARE", "ANOTHER PLAN"),
    admission_priority="1",
    drg=Coded("291", "Heart failure with major complication"),
    procedures=(Procedure("02HV33Z", dt.date(2026, 11, 3), is_principal=True),),
    adjustment_group="CO",
    lines=(
        PartialRevenueLine(
            number=1, hcpcs=None, revenue_center="0120", units_billed=Decimal(4), units_served=Decimal(4)
        ),
        PartialRevenueLine(
            number=2,
            hcpcs=Coded("C1776", "Implantable joint device"),
            modifiers=("LT",),
            revenue_center="0278",
            units_billed=Decimal("1.5"),
            service_date=dt.date(2026, 11, 3),
        ),
    ),
)
VISIT = PartialProfessionalClaim(
    claim_id=-100_000_000_000_000_456,
    control_number="08926320054321SYN",
    status="B",
    status_date=RECEIVED,
    received_date=RECEIVED,
    from_date=FIRST_DAY,
    through_date=LAST_DAY,
    charge=Decimal("41.00"),
    provider=Provider(npi="9119000009", specialty="11", tax_number="001900001"),
    diagnoses=(Diagnosis("I10", ()), Diagnosis("4280", (), system=CodeSystem.ICD_9_CM)),
    claim_type="3",
    provider_type="20",
    lines=(
        PartialServiceLine(
            number=1,
            hcpcs=Coded("G0439"),
            modifiers=("25", "GC"),
            from_date=FIRST_DAY,
            through_date=LAST_DAY,
            diagnoses=(2,),
        ),
        PartialServiceLine(number=2, hcpcs=None, from_date=LAST_DAY, through_date=LAST_DAY),
    ),
)
BOTH = pytest.mark.parametrize("billed", [STAY, VISIT], ids=["FISS", "MCS"])


def rendered(known: BeneficiaryRecord, *billed: PartialClaim) -> dict[str, dict]:
    """The last Claim and the last ClaimResponse of a person with these claims, as a client reads them."""
    resources = v2.render(replace(known, partial_claims=billed), last_updated=LAST_UPDATED)
    return {each.resource_type: json.loads(line(each.body), parse_float=Decimal) for each in resources}


def extensions(element: dict) -> dict[str, object]:
    """The value of each extension by the last part of its URL."""
    found = {}
    for extension in element["extension"]:
        (value,) = (value for name, value in extension.items() if name != "url")
        found[extension["url"].rsplit("/", 1)[-1]] = value["code"] if isinstance(value, dict) else value
    return found


def contained(body: dict) -> dict[str, dict]:
    return {each["id"]: each for each in body["contained"]}
