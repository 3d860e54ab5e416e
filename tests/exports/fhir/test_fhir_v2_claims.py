"""An ExplanationOfBenefit tells what the claim tells."""

import re
from dataclasses import replace
from decimal import Decimal

import pytest

from exports.fhir.common import systems
from exports.records import Diagnosis, Procedure
from exports.vocabulary import Amount, ClaimKind, CodeSystem, DiagnosisType
from tests.exports.fhir.reading import codes, information, nodes, rendered


def test_a_line_without_hcpcs_says_that_none_applies(eobs):
    absent = {"system": systems.DATA_ABSENT_REASON, "code": "not-applicable", "display": "Not Applicable"}
    institutional = [eob for eob in eobs if codes(eob["type"])[systems.CLAIM_TYPE] == "institutional"]

    without = [item for eob in institutional for item in eob["item"] if item["productOrService"]["coding"] == [absent]]

    assert without
    for eob in eobs:
        assert all(item["productOrService"]["coding"] for item in eob["item"])


def test_no_line_has_a_cpt_code(eobs):
    for eob in eobs:
        for node in nodes(eob):
            if node.get("system") == systems.HCPCS and "code" in node:
                assert re.fullmatch(r"[A-V]\d{4}|[A-Z]{2}", node["code"])


def test_the_totals_are_those_of_the_lines(eobs):
    for eob in eobs:
        submitted = [total for total in eob["total"] if "submitted" in codes(total["category"]).values()]
        for total in submitted:
            amounts = [
                adjudication["amount"]["value"]
                for item in eob["item"]
                if codes(item.get("revenue", {"coding": []})).get(f"{systems.VARIABLES}/rev_cntr") != "0001"
                for adjudication in item["adjudication"]
                if {f"{systems.VARIABLES}/rev_cntr_tot_chrg_amt", f"{systems.VARIABLES}/line_sbmtd_chrg_amt"}
                & set(codes(adjudication["category"]).values())
            ]
            assert total["amount"]["value"] == sum(amounts)


def test_an_admitting_diagnosis_that_is_the_principal_keeps_both_types(claims):
    each, stay = claims[ClaimKind.INPATIENT]
    both = Diagnosis("I639", (DiagnosisType.ADMITTING, DiagnosisType.PRINCIPAL), present_on_admission="Y")

    eob = rendered(each, claims=(replace(stay, diagnoses=(both,)),))

    (diagnosis,) = eob["diagnosis"]
    assert [kind["coding"][0]["code"] for kind in diagnosis["type"]] == ["admitting", "principal"]
    assert diagnosis["extension"][0]["url"] == f"{systems.VARIABLES}/clm_poa_ind_sw1"


def test_external_causes_are_counted_for_themselves(claims):
    each, stay = claims[ClaimKind.INPATIENT]
    fracture = Diagnosis("S72141A", (DiagnosisType.PRINCIPAL,), present_on_admission="Y")
    fall = Diagnosis("W1830XA", (DiagnosisType.EXTERNAL_CAUSE,), present_on_admission="1")

    eob = rendered(each, claims=(replace(stay, diagnoses=(fracture, fall)),))

    urls = [diagnosis["extension"][0]["url"].rsplit("/", 1)[-1] for diagnosis in eob["diagnosis"]]
    assert urls == ["clm_poa_ind_sw1", "clm_e_poa_ind_sw1"]


def test_codes_of_icd_9_are_written_under_their_own_systems(claims):
    each, stay = claims[ClaimKind.INPATIENT]
    old = Diagnosis("4280", (DiagnosisType.PRINCIPAL,), system=CodeSystem.ICD_9_CM)
    operation = Procedure("3722", stay.from_date, is_principal=True, system=CodeSystem.ICD_9_PROCEDURE)

    eob = rendered(each, claims=(replace(stay, diagnoses=(old,), procedures=(operation,)),))

    assert codes(eob["diagnosis"][0]["diagnosisCodeableConcept"]) == {systems.ICD_9_CM: "4280"}
    assert codes(eob["procedure"][0]["procedureCodeableConcept"]) == {systems.ICD_9_PROCEDURE: "3722"}


def test_a_stay_tells_its_admission_its_group_and_its_balance(claims):
    each, stay = claims[ClaimKind.INPATIENT]

    eob = rendered(each, claims=(stay,))

    told = information(eob)
    admission = told["admissionperiod"]["timingPeriod"]
    financial = {
        entry["type"]["coding"][0]["code"].rsplit("/", 1)[-1]: entry for entry in eob["benefitBalance"][0]["financial"]
    }
    assert admission == {"start": str(stay.from_date), "end": str(stay.through_date)}
    assert codes(told["clm_drg_cd"]["code"]) == {f"{systems.VARIABLES}/clm_drg_cd": stay.admission.drg.code}
    assert codes(told["typeofbill"]["code"]) == {f"{systems.VARIABLES}/clm_freq_cd": stay.frequency}
    assert told["clmrecvddate"]["timingDate"] == str(stay.recorded_date)
    assert financial["nch_bene_ip_ddctbl_amt"]["usedMoney"]["value"] == stay.amounts[Amount.INPATIENT_DEDUCTIBLE]
    assert financial["clm_utlztn_day_cnt"]["usedUnsignedInt"] == stay.admission.covered_days
    assert financial["clm_pps_cptl_drg_wt_num"]["allowedString"] == str(stay.admission.drg_weight)
    assert eob["payment"]["amount"] == {"value": stay.payment, "currency": "USD"}
    assert "servicedDate" not in eob["item"][0]


def test_a_physician_s_line_tells_who_performed_it_where_and_what_was_paid(claims):
    each, claim = claims[ClaimKind.CARRIER]

    eob = rendered(each, claims=(claim,))

    item, performer = eob["item"][0], eob["careTeam"][0]
    paid = next(entry for entry in item["adjudication"] if "benefit" in codes(entry["category"]).values())
    assert item["careTeamSequence"] == [1, 2]
    assert codes(performer["role"]) == {systems.CARIN_CARE_TEAM_ROLE: "performing"}
    assert performer["responsible"] is True
    assert f"{systems.VARIABLES}/prvdr_spclty" in codes(performer["qualification"])
    assert codes(item["locationCodeableConcept"]) == {
        f"{systems.VARIABLES}/line_place_of_srvc_cd": claim.lines[0].place
    }
    assert paid["amount"]["value"] == claim.lines[0].amounts[Amount.LINE_PAYMENT]
    assert paid["extension"][0]["url"] == f"{systems.VARIABLES}/line_pmt_80_100_cd"


@pytest.mark.parametrize(("payment_denial", "expected"), [("1", "paid"), ("0", "denied")])
def test_a_claim_that_paid_nothing_is_denied_only_where_it_was_denied(claims, payment_denial, expected):
    each, claim = claims[ClaimKind.CARRIER]
    unpaid = replace(claim, payment=Decimal("0.00"), payment_denial=payment_denial)

    payment = rendered(each, claims=(unpaid,))["payment"]

    assert codes(payment["type"]) == {systems.CARIN_PAYER_STATUS: expected}


def test_a_part_d_event_tells_the_fill_the_plan_and_the_cost(claims):
    each, event = claims[ClaimKind.PDE]

    eob = rendered(each, claims=(event,))

    told = information(eob)
    plan = [extension["valueIdentifier"]["value"] for extension in eob["insurance"][0]["coverage"]["extension"]]
    assert codes(eob["item"][0]["productOrService"]) == {systems.NDC: event.drug.code}
    assert told["dayssupply"]["valueQuantity"]["value"] == event.days_supply
    assert told["refillnum"]["valueQuantity"]["value"] == event.fill_number
    assert told["dawcode"] is told["daw_prod_slctn_cd"]
    assert plan == [event.plan.contract, event.plan.benefit_package]
    assert eob["total"][0]["amount"]["value"] == event.amounts[Amount.DRUG_COST]
    assert eob["payment"]["date"] == str(event.payment_date)
    assert "amount" not in eob["payment"]
