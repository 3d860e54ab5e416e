"""A Claim tells what was billed."""

from dataclasses import replace

from exports.fhir.common import systems
from exports.records import Diagnosis
from exports.vocabulary import DiagnosisType
from tests.exports.fhir.partial_claims import (
    FIRST_DAY,
    FISS,
    LAST_DAY,
    MCS,
    STAY,
    VISIT,
    contained,
    extensions,
    rendered,
)
from tests.exports.fhir.reading import codes


def test_an_institution_s_claim_tells_its_bill_its_group_and_its_payers(known):
    body = rendered(known, STAY)["Claim"]

    bill, group, admission = body["supportingInfo"]
    assert extensions(body) == {"serv-typ-cd": "1"}
    assert extensions(body["facility"]) == {"lob-cd": "1"}
    assert codes(bill["code"]) == {f"{FISS}/freq-cd": "1"}
    assert codes(group["code"]) == {f"{systems.VARIABLES}/clm_drg_cd": "291"}
    assert codes(admission["code"]) == {systems.NUBC_ADMISSION_PRIORITY: "1"}
    assert codes(body["priority"]) == {systems.PROCESS_PRIORITY: "normal"}
    assert [(each["focal"], each["coverage"]["identifier"]["value"]) for each in body["insurance"]] == [
        (True, "MEDICARE"),
        (False, "ANOTHER PLAN"),
    ]


def test_an_institution_s_claim_tells_what_was_found_and_done(known):
    body = rendered(known, STAY)["Claim"]

    found = [codes(each["diagnosisCodeableConcept"]) for each in body["diagnosis"]]
    types = [[codes(kind)[systems.DIAGNOSIS_TYPE] for kind in each.get("type", [])] for each in body["diagnosis"]]
    on_admission = [codes(each.get("onAdmission", {"coding": []})) for each in body["diagnosis"]]
    (procedure,) = body["procedure"]
    assert found == [{systems.ICD_10_CM: code} for code in ("R0602", "I5033", "N179")]
    assert types == [["admitting"], ["principal"], []]
    assert on_admission == [{}, {f"{FISS}/diag-poa-ind": "Y"}, {f"{FISS}/diag-poa-ind": "N"}]
    assert codes(procedure["procedureCodeableConcept"]) == {systems.ICD_10_PCS: "02HV33Z"}
    assert procedure["date"] == "2026-11-03T00:00:00+00:00"


def test_types_of_diagnoses_that_the_systems_do_not_tell_apart_are_left_out(known):
    other = Diagnosis("N179", (DiagnosisType.OTHER, DiagnosisType.PRINCIPAL))

    (diagnosis,) = rendered(known, replace(STAY, diagnoses=(other,)))["Claim"]["diagnosis"]

    assert [codes(kind) for kind in diagnosis["type"]] == [{systems.DIAGNOSIS_TYPE: "principal"}]


def test_an_institution_s_line_tells_where_it_belongs_and_what_was_used(known):
    bed, implant = rendered(known, STAY)["Claim"]["item"]

    assert codes(bed["revenue"]) == {f"{FISS}/rev-cd": "0120"}
    assert codes(bed["productOrService"]) == {systems.DATA_ABSENT_REASON: "not-applicable"}
    assert bed["extension"][0]["valueQuantity"] == {"value": 4}
    assert "servicedDate" not in bed
    assert codes(implant["productOrService"]) == {systems.HCPCS_RELEASE: "C1776"}
    assert [codes(modifier) for modifier in implant["modifier"]] == [{systems.HCPCS_RELEASE: "LT"}]
    assert implant["servicedDate"] == "2026-11-03"
    assert "extension" not in implant


def test_a_physician_s_claim_tells_who_bills_and_which_coverage_pays(known):
    body = rendered(known, VISIT)["Claim"]

    organization = contained(body)["provider-org"]
    identifiers = {each["system"]: each["value"] for each in organization["identifier"]}
    assert extensions(organization) == {"bill-prov-type": "20", "bill-prov-spec": "11"}
    assert identifiers == {f"{MCS}/bill-prov-ein": "001900001", systems.NPI: "9119000009"}
    assert extensions(body) == {"claim-type": "3"}
    assert body["insurance"] == [
        {"sequence": 1, "focal": True, "coverage": {"reference": f"Coverage/part-b-{known.person.beneficiary_id}"}}
    ]
    assert [codes(each["diagnosisCodeableConcept"]) for each in body["diagnosis"]] == [
        {systems.ICD_10_CM: "I10"},
        {systems.ICD_9_CM: "4280"},
    ]


def test_a_hospital_is_told_by_its_numbers(known):
    organization = contained(rendered(known, STAY)["Claim"])["provider-org"]

    identifiers = {each["system"]: each["value"] for each in organization["identifier"]}
    assert identifiers == {f"{FISS}/meda-prov-6": "001901", systems.NPI: "9219000008"}
    assert organization["name"] == "Synthetic Hospital IA 1"
    assert "extension" not in organization


def test_a_physician_s_line_tells_what_was_done_when_and_for_what(known):
    visit, uncoded = rendered(known, VISIT)["Claim"]["item"]

    assert codes(visit["productOrService"]) == {systems.HCPCS_RELEASE: "G0439"}
    assert [codes(modifier)[systems.HCPCS_RELEASE] for modifier in visit["modifier"]] == ["25", "GC"]
    assert visit["diagnosisSequence"] == [2]
    assert visit["servicedPeriod"] == {"start": str(FIRST_DAY), "end": str(LAST_DAY)}
    assert codes(uncoded["productOrService"]) == {systems.DATA_ABSENT_REASON: "not-applicable"}
