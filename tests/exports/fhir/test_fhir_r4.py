import datetime as dt
import json
import re
from collections.abc import Iterator
from dataclasses import fields, replace
from decimal import Decimal

import msgspec
import pytest
from fhir.resources.R4B.coverage import Coverage
from fhir.resources.R4B.explanationofbenefit import ExplanationOfBenefit
from fhir.resources.R4B.patient import Patient

from exports.fhir import r4, systems
from exports.fhir.ndjson import line
from exports.intake.samhsa import is_listed
from exports.records import BeneficiaryRecord, Claim, Diagnosis, Procedure
from exports.vocabulary import Amount, ClaimKind, CodeSystem, DiagnosisType, Part
from tests.exports.made_up import LAST_UPDATED, record

PEOPLE = range(40)
MODELS = {"Patient": Patient, "Coverage": Coverage, "ExplanationOfBenefit": ExplanationOfBenefit}


@pytest.fixture(scope="module")
def records() -> list[BeneficiaryRecord]:
    return [record(number) for number in PEOPLE]


@pytest.fixture(scope="module")
def lines(records) -> list[bytes]:
    return [line(resource.body) for each in records for resource in r4.resources(each, last_updated=LAST_UPDATED)]


@pytest.fixture(scope="module")
def bodies(lines) -> list[dict]:
    """What a client reads: the lines, parsed, with their decimals as they are written."""
    return [json.loads(each, parse_float=Decimal) for each in lines]


@pytest.fixture(scope="module")
def eobs(bodies) -> list[dict]:
    return [body for body in bodies if body["resourceType"] == "ExplanationOfBenefit"]


@pytest.fixture(scope="module")
def claims(records) -> dict[ClaimKind, tuple[BeneficiaryRecord, object]]:
    """A record for each kind of claim, and the claim."""
    return {claim.kind: (each, claim) for each in records for claim in each.disclosable_claims if claim.is_final}


def rendered(each: BeneficiaryRecord, **changes) -> dict:
    """The last resource of a record, as a client reads it."""
    *_, last = r4.resources(replace(each, **changes), last_updated=LAST_UPDATED)
    return json.loads(line(last.body), parse_float=Decimal)


def nodes(tree) -> Iterator[dict]:
    """All objects within a resource."""
    if isinstance(tree, dict):
        yield tree
        for branch in tree.values():
            yield from nodes(branch)
    elif isinstance(tree, list):
        for branch in tree:
            yield from nodes(branch)


def codes(concept: dict) -> dict[str, str]:
    """System -> code."""
    return {coding["system"]: coding["code"] for coding in concept["coding"]}


def information(eob: dict) -> dict[str, dict]:
    """The supporting information by its category, CARIN's word or the name of CMS's data element."""
    found = {}
    for entry in eob["supportingInfo"]:
        for coding in entry["category"]["coding"]:
            found[coding["code"].rsplit("/", 1)[-1]] = entry
    return found


# --- As the standard wants it ---------------------------------------------------------------------------------------


def test_an_independent_implementation_of_r4_accepts_every_resource(lines, bodies):
    for each, body in zip(lines, bodies, strict=True):
        MODELS[body["resourceType"]].model_validate_json(each)

    assert len(lines) > 1_000


@pytest.mark.parametrize("kind", list(ClaimKind))
def test_decimals_and_dates_come_back_as_they_were(claims, kind):
    each, claim = claims[kind]
    body = rendered(each, claims=(claim,))

    model = ExplanationOfBenefit.model_validate_json(line(body))

    assert [item.adjudication[-1].amount.value for item in model.item] == [
        item["adjudication"][-1]["amount"]["value"] for item in body["item"]
    ]
    assert model.billablePeriod.start == claim.from_date
    assert model.billablePeriod.end == claim.through_date
    assert model.meta.lastUpdated == LAST_UPDATED


def test_every_resource_is_one_line_of_compact_json(lines):
    for each in lines:
        assert each.endswith(b"}\n")
        assert each.count(b"\n") == 1
        assert b"\r" not in each
        assert msgspec.json.encode(msgspec.json.decode(each, type=msgspec.Raw)) == each[:-1]
        assert len(each) < 2**20


def test_a_decimal_is_written_as_it_is():
    assert line({"value": Decimal("37.50"), "city": "Mayagüez"}) == '{"value":37.50,"city":"Mayagüez"}\n'.encode()


def test_nothing_is_null_or_empty(bodies):
    for body in bodies:
        for node in nodes(body):
            assert all(value not in (None, "", [], {}) for value in node.values())


def test_ids_are_fhir_ids_and_each_is_there_once(bodies):
    ids = [(body["resourceType"], body["id"]) for body in bodies]

    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", resource_id) for _, resource_id in ids)


def test_an_extension_is_named_for_the_system_of_its_code(bodies):
    for body in bodies:
        for node in nodes(body):
            if "valueCoding" in node and node["url"].startswith(systems.VARIABLES):
                assert node["valueCoding"]["system"] == node["url"]


def test_every_system_is_one_of_those_of_version_2(bodies):
    known = {value for name, value in vars(systems).items() if name.isupper()}

    used = {node["system"] for body in bodies for node in nodes(body) if "system" in node}

    assert {system for system in used if not system.startswith(f"{systems.VARIABLES}/")} <= known


def test_sequences_count_from_one(eobs):
    for eob in eobs:
        for name in ("careTeam", "supportingInfo", "diagnosis", "procedure", "item"):
            sequences = [element["sequence"] for element in eob.get(name, [])]
            assert sequences == list(range(1, len(sequences) + 1))


def test_last_updated_must_have_a_time_zone():
    with pytest.raises(ValueError, match="no time zone"):
        list(r4.resources(record(), last_updated=LAST_UPDATED.replace(tzinfo=None)))


def test_a_claim_of_a_class_that_nothing_renders_is_refused(claims):
    each, claim = claims[ClaimKind.CARRIER]
    facts = {field.name: getattr(claim, field.name) for field in fields(Claim)}

    with pytest.raises(TypeError, match="No ExplanationOfBenefit is made of a Claim"):
        rendered(each, claims=(Claim(**facts),))


# --- References -----------------------------------------------------------------------------------------------------


def test_references_between_resources_resolve(bodies, eobs):
    ids = {f"{body['resourceType']}/{body['id']}" for body in bodies}

    for eob in eobs:
        assert eob["patient"]["reference"] in ids
        assert [insurance["focal"] for insurance in eob["insurance"]] == [True]
        assert eob["insurance"][0]["coverage"]["reference"] in ids
    for body in bodies:
        if body["resourceType"] == "Coverage":
            assert body["beneficiary"]["reference"] in ids


def test_references_within_a_claim_resolve(eobs):
    names = {"careTeam": "careTeamSequence", "diagnosis": "diagnosisSequence", "supportingInfo": "informationSequence"}
    seen = set()
    for eob in eobs:
        for name, sequence in names.items():
            there = {element["sequence"] for element in eob.get(name, [])}
            for item in eob["item"]:
                assert there.issuperset(item.get(sequence, []))
                seen.update([sequence] if sequence in item else [])

    assert seen == set(names.values())


def test_contained_resources_are_those_that_are_referred_to(eobs):
    kinds = set()
    for eob in eobs:
        contained = {f"#{resource['id']}" for resource in eob.get("contained", [])}
        references = {node["reference"] for node in nodes(eob) if str(node.get("reference", "")).startswith("#")}
        assert contained == references
        kinds.update(resource["resourceType"] for resource in eob.get("contained", []))

    assert kinds == {"Organization", "Observation"}


# --- What BCDA's clients look for -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (ClaimKind.INPATIENT, ("60", "INPATIENT", "institutional", "Inpatient-Institutional", "part-a")),
        (ClaimKind.OUTPATIENT, ("40", "OUTPATIENT", "institutional", "Outpatient-Institutional", "part-b")),
        (ClaimKind.CARRIER, ("71", "CARRIER", "professional", "Professional-NonClinician", "part-b")),
        (ClaimKind.PDE, (None, "PDE", "pharmacy", "Pharmacy", "part-d")),
    ],
)
def test_a_claim_is_of_its_kind(claims, kind, expected):
    each, claim = claims[kind]

    eob = rendered(each, claims=(claim,))

    of_type = codes(eob["type"])
    (profile,) = eob["meta"]["profile"]
    coverage = eob["insurance"][0]["coverage"]["reference"]
    assert eob["id"] == f"{kind}-{claim.claim_id}"
    assert eob["id"].startswith(f"{kind}--")
    assert (
        of_type.get(f"{systems.VARIABLES}/nch_clm_type_cd"),
        of_type[systems.EOB_TYPE],
        of_type[systems.CLAIM_TYPE],
        profile.removeprefix(f"{systems.CARIN}/StructureDefinition/C4BB-ExplanationOfBenefit-"),
        coverage.removeprefix("Coverage/").removesuffix(f"-{each.person.beneficiary_id}"),
    ) == expected


def test_a_resource_says_when_its_service_ended():
    resources = list(r4.resources(record(1), last_updated=LAST_UPDATED))

    for resource in resources:
        is_claim = resource.resource_type == "ExplanationOfBenefit"
        assert resource.service_date == (resource.body["billablePeriod"]["end"] if is_claim else None)
        assert (resource.resource_type, resource.id) == (resource.body["resourceType"], resource.body["id"])


def test_rendering_later_changes_nothing_but_last_updated():
    later = LAST_UPDATED + dt.timedelta(days=1)

    first = [resource.body for resource in r4.resources(record(2), last_updated=LAST_UPDATED)]
    second = [resource.body for resource in r4.resources(record(2), last_updated=later)]

    for one, other in zip(first, second, strict=True):
        assert one["meta"]["lastUpdated"] != other["meta"]["lastUpdated"]
        assert {**one, "meta": None} == {**other, "meta": None}


def test_created_is_when_the_claim_was_processed(claims):
    each, claim = claims[ClaimKind.CARRIER]

    assert rendered(each, claims=(claim,))["created"] == f"{claim.processed_date}T00:00:00+00:00"


def test_a_replaced_claim_is_cancelled_and_shares_the_group_of_its_replacement(eobs):
    groups: dict[str, list[str]] = {}
    for eob in eobs:
        groups.setdefault(eob["identifier"][1]["value"], []).append(eob["status"])

    replaced = [sorted(statuses) for statuses in groups.values() if len(statuses) > 1]
    assert replaced
    assert all(statuses == ["active", "cancelled"] for statuses in replaced)
    assert {statuses[0] for statuses in groups.values() if len(statuses) == 1} == {"active"}


# --- What stays in the house ----------------------------------------------------------------------------------------


def test_claims_about_substance_use_disorder_are_not_rendered(records, eobs):
    withheld = {f"{claim.kind}-{claim.claim_id}" for each in records for claim in each.claims if claim.is_samhsa}
    claims = sum(len(each.claims) for each in records)

    assert withheld
    assert withheld.isdisjoint(eob["id"] for eob in eobs)
    assert sum(each.withheld_count for each in records) == len(withheld)
    assert len(eobs) == claims - len(withheld)


def test_no_code_of_the_list_leaves_the_house(eobs):
    listed_as = {
        systems.ICD_10_CM: CodeSystem.ICD_10_CM,
        systems.ICD_10_PCS: CodeSystem.ICD_10_PCS,
        systems.HCPCS: CodeSystem.HCPCS,
        f"{systems.VARIABLES}/clm_drg_cd": CodeSystem.MS_DRG,
    }
    groups = set()
    for eob in eobs:
        through_date = dt.date.fromisoformat(eob["billablePeriod"]["end"])
        for node in nodes(eob):
            if node.get("system") in listed_as and "code" in node:
                assert not is_listed(listed_as[node["system"]], node["code"], through_date)
                groups.add(node["code"])

    assert "291" in groups  # heart failure: the digits of a listed diagnosis


# --- Claims ---------------------------------------------------------------------------------------------------------


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


# --- People and coverage --------------------------------------------------------------------------------------------


def test_a_patient_has_a_member_number_and_the_current_mbi():
    each = record(4)

    body = next(r4.resources(each, last_updated=LAST_UPDATED)).body

    member, medicare = body["identifier"]
    assert (member["system"], member["value"]) == (f"{systems.VARIABLES}/bene_id", str(each.person.beneficiary_id))
    assert (medicare["system"], medicare["value"]) == (systems.MBI, each.person.mbi)
    assert codes(member["type"]) == {systems.IDENTIFIER_TYPE: "MB"}
    assert codes(medicare["type"]) == {systems.IDENTIFIER_TYPE: "MC"}
    assert body["deceasedBoolean"] is False


def test_a_patient_who_died_says_when_and_the_coverage_ended_then():
    died = dt.date(2025, 5, 17)

    patient, *others = (r.body for r in r4.resources(record(4, death_date=died), last_updated=LAST_UPDATED))

    coverage = [body for body in others if body["resourceType"] == "Coverage"]
    assert patient["deceasedDateTime"] == died
    assert "deceasedBoolean" not in patient
    assert coverage
    assert {(body["status"], body["period"]["end"]) for body in coverage} == {("cancelled", died)}


@pytest.mark.parametrize(("has_part_d", "expected"), [(True, ["A", "B", "D"]), (False, ["A", "B"])])
def test_there_is_a_coverage_for_each_part_that_the_person_has(has_part_d, expected):
    each = record(4, has_part_d=has_part_d)

    coverage = [r.body for r in r4.resources(each, last_updated=LAST_UPDATED) if r.resource_type == "Coverage"]

    assert [body["class"][1]["value"] for body in coverage] == [f"Part {part}" for part in expected]
    assert [body["id"] for body in coverage] == [
        f"part-{part.lower()}-{each.person.beneficiary_id}" for part in expected
    ]
    assert {body["subscriberId"] for body in coverage} == {each.person.mbi}
    assert {covered.part for covered in each.coverage} == {Part(part) for part in expected}


def test_coverage_tells_the_months_of_the_reference_year():
    each = record(4, has_part_d=True)

    *_, part_d = (r.body for r in r4.resources(each, last_updated=LAST_UPDATED) if r.resource_type == "Coverage")

    told = {extension["url"].rsplit("/", 1)[-1] for extension in part_d["extension"]}
    assert {"rfrnc_yr", "dual_01", "buyin01", "ptdcntrct01", "ptdpbpid01", "cstshr01", "dual_11", "cstshr11"} <= told
    assert "dual_12" not in told  # the year is not over
