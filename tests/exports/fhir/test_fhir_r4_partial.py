import datetime as dt
import json
import re
from dataclasses import fields, replace
from decimal import Decimal

import pytest
from fhir.resources.R4B.claim import Claim
from fhir.resources.R4B.claimresponse import ClaimResponse

from exports.fhir import r4, systems
from exports.fhir.ndjson import line
from exports.fhir.r4.claim_response import claim_response
from exports.intake.samhsa import is_samhsa
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
from tests.exports.made_up import LAST_UPDATED, record

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


@pytest.fixture(scope="module")
def known() -> BeneficiaryRecord:
    """A person, without claims."""
    return replace(record(1, start_date=dt.date(2026, 11, 1)), claims=())


def rendered(known: BeneficiaryRecord, *billed: PartialClaim) -> dict[str, dict]:
    """The last Claim and the last ClaimResponse of a person with these claims, as a client reads them."""
    resources = r4.resources(replace(known, partial_claims=billed), last_updated=LAST_UPDATED)
    return {each.resource_type: json.loads(line(each.body), parse_float=Decimal) for each in resources}


def codes(concept: dict) -> dict[str, str]:
    return {coding["system"]: coding["code"] for coding in concept["coding"]}


def extensions(element: dict) -> dict[str, object]:
    """The value of each extension by the last part of its URL."""
    found = {}
    for extension in element["extension"]:
        (value,) = (value for name, value in extension.items() if name != "url")
        found[extension["url"].rsplit("/", 1)[-1]] = value["code"] if isinstance(value, dict) else value
    return found


def contained(body: dict) -> dict[str, dict]:
    return {each["id"]: each for each in body["contained"]}


# --- As the standard wants it ---------------------------------------------------------------------------------------


@BOTH
def test_an_independent_implementation_of_r4_accepts_both_resources(known, billed):
    bodies = rendered(known, billed)

    for name, model in MODELS.items():
        read = model.model_validate_json(json.dumps(bodies[name], default=str))
        assert read.id == bodies[name]["id"]
        assert read.meta.lastUpdated == LAST_UPDATED


@pytest.fixture(scope="module")
def synthetic() -> list[r4.Resource]:
    """All that is made of thirty made-up people's claims."""
    return [
        resource
        for number in range(30)
        for resource in r4.resources(record(number, with_partial_claims=True), last_updated=LAST_UPDATED)
    ]


def test_it_accepts_the_made_up_ones(synthetic):
    of_claims = [resource for resource in synthetic if resource.resource_type in MODELS]

    for resource in of_claims:
        MODELS[resource.resource_type].model_validate_json(line(resource.body))
    assert len(of_claims) > 60


def test_nothing_is_null_or_empty(synthetic, known):
    sparse = replace(STAY, facility_type="", admission_priority="", drg=None, procedures=(), diagnoses=(), payers=())
    nameless = replace(sparse, provider=Provider(npi=""))
    bodies = [resource.body for resource in synthetic if resource.resource_type in MODELS]
    bodies += [body for billed in (STAY, VISIT, sparse, nameless) for body in rendered(known, billed).values()]

    def check(tree):
        assert tree not in (None, "", [], {})
        for branch in tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ():
            check(branch)

    for body in bodies:
        check(body)


def test_resources_come_in_the_order_of_their_types(known):
    resources = list(r4.resources(replace(known, partial_claims=(STAY, VISIT)), last_updated=LAST_UPDATED))

    types = [resource.resource_type for resource in resources]
    assert types[0] == "Patient"
    assert set(types[1:-4]) == {"Coverage"}
    assert types[-4:] == ["Claim", "Claim", "ClaimResponse", "ClaimResponse"]


def test_benefits_come_before_claims():
    types = [r.resource_type for r in r4.resources(record(0, with_partial_claims=True), last_updated=LAST_UPDATED)]

    assert list(dict.fromkeys(types)) == ["Patient", "Coverage", "ExplanationOfBenefit", "Claim", "ClaimResponse"]


@BOTH
def test_decimals_and_dates_come_back_as_they_were(known, billed):
    body = rendered(known, billed)["Claim"]

    assert body["total"] == {"value": billed.charge, "currency": "USD"}
    assert body["billablePeriod"] == {"start": str(FIRST_DAY), "end": str(LAST_DAY)}


def test_quantities_keep_their_decimals(known):
    first, second = rendered(known, STAY)["Claim"]["item"]

    assert (first["quantity"]["value"], second["quantity"]["value"]) == (4, Decimal("1.5"))


def test_every_system_is_one_of_those_of_version_2(known):
    known_systems = {value for name, value in vars(systems).items() if name.isupper()}
    used = set()
    for billed in (STAY, VISIT):
        text = "".join(json.dumps(body, default=str) for body in rendered(known, billed).values())
        used |= set(re.findall(r'"system": "([^"]+)"', text))

    assert {system for system in used if not system.startswith(f"{systems.VARIABLES}/")} <= known_systems


@BOTH
def test_sequences_count_from_one_and_references_within_a_claim_resolve(known, billed):
    body = rendered(known, billed)["Claim"]

    for name in ("supportingInfo", "diagnosis", "procedure", "insurance", "item"):
        assert [each["sequence"] for each in body.get(name, [])] == list(range(1, len(body.get(name, [])) + 1))
    assert contained(body).keys() == {"patient", "provider-org"}
    assert (body["patient"], body["provider"]) == ({"reference": "#patient"}, {"reference": "#provider-org"})
    diagnoses = {diagnosis["sequence"] for diagnosis in body["diagnosis"]}
    assert all(diagnoses.issuperset(item.get("diagnosisSequence", [])) for item in body["item"])


def test_a_claim_of_a_class_that_nothing_renders_is_refused(known):
    facts = {field.name: getattr(STAY, field.name) for field in fields(PartialClaim)}
    neither = PartialClaim(**facts)

    with pytest.raises(TypeError, match="No Claim is made of a PartialClaim"):
        rendered(known, neither)
    with pytest.raises(TypeError, match="No Claim is made of a PartialClaim"):
        claim_response(known.person, neither, last_updated=LAST_UPDATED)


# --- What a Claim and its response share ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("billed", "letter", "system", "kind"),
    [(STAY, "f", f"{FISS}/dcn", "institutional"), (VISIT, "m", f"{MCS}/icn", "professional")],
    ids=["FISS", "MCS"],
)
def test_both_have_the_same_id_control_number_and_type(known, billed, letter, system, kind):
    bodies = rendered(known, billed)

    for name in MODELS:
        body = bodies[name]
        (identifier,) = body["identifier"]
        assert body["id"] == f"{letter}-{billed.claim_id}"
        assert body["id"].startswith(f"{letter}--")
        assert (identifier["system"], identifier["value"]) == (system, billed.control_number)
        assert codes(identifier["type"]) == {systems.CARIN_IDENTIFIER_TYPE: "uc"}
        assert codes(body["type"]) == {systems.CLAIM_TYPE: kind}
        assert body["use"] == "claim"
        assert "profile" not in body["meta"]
    assert bodies["ClaimResponse"]["request"] == {"reference": f"Claim/{bodies['Claim']['id']}"}


@BOTH
def test_the_last_day_of_the_service_goes_with_both(known, billed):
    resources = list(r4.resources(replace(known, partial_claims=(billed,)), last_updated=LAST_UPDATED))

    claim, response = resources[-2:]
    assert (claim.service_date, response.service_date) == (LAST_DAY, LAST_DAY)
    assert claim.body["billablePeriod"]["end"] == LAST_DAY
    (told,) = (
        each["valueDate"]
        for each in response.body["extension"]
        if each["url"] in (systems.FISS_SERVICE_END, systems.MCS_SERVICE_END)
    )
    assert told == LAST_DAY


@pytest.mark.parametrize(
    ("billed", "name", "birth_date"),
    [
        (STAY, ("Bartholome J. Featherstonehau", "Featherstonehau", ["Bartholome", "J."]), "1946-03-01"),
        (VISIT, ("B. J. Feathe", "Feathe", ["B.", "J."]), None),
    ],
    ids=["FISS", "MCS"],
)
def test_the_patient_is_known_by_mbi_and_by_as_much_of_the_name_as_the_system_keeps(known, billed, name, birth_date):
    person = replace(
        known.person,
        given_names=("Bartholomew", "Jonathan"),
        family_name="Featherstonehaugh",
        birth_date=dt.date(1946, 3, 1),
        sex="1",
    )

    bodies = rendered(replace(known, person=person), billed)

    for body in (bodies["Claim"], bodies["ClaimResponse"]):
        patient = contained(body)["patient"]
        (identifier,) = patient["identifier"]
        (told,) = patient["name"]
        assert (identifier["system"], identifier["value"]) == (systems.MBI, person.mbi)
        assert told["text"].startswith(f"{name[0]} ([")
        assert (told["family"], told["given"]) == name[1:]
        assert patient["gender"] == "male"
        assert patient.get("birthDate") == birth_date


def test_a_patient_without_a_middle_name_has_no_initial_for_it(known):
    person = replace(known.person, given_names=("Ana",), family_name="Li", sex="0")

    patient = contained(rendered(replace(known, person=person), VISIT)["ClaimResponse"])["patient"]

    assert patient["name"] == [
        {"text": "A. Li ([first initial], [max 6 chars of last])", "family": "Li", "given": ["A."]}
    ]
    assert patient["gender"] == "unknown"


# --- Status ---------------------------------------------------------------------------------------------------------


def states(billed: PartialClaim, table: dict[str, tuple[str, str, str]]):
    return [(billed, code, expected) for statuses, expected in table.items() for code in statuses]


@pytest.mark.parametrize(
    ("billed", "status", "expected"),
    [
        *states(
            STAY,
            {
                "A": ("active", "active", "queued"),
                "FIMST": ("active", "active", "partial"),
                "DPU": ("active", "active", "complete"),
                "R": ("cancelled", "active", "complete"),
                "?x": ("active", "active", "partial"),
                " ": ("active", "active", "queued"),
                "p": ("active", "active", "complete"),
            },
        ),
        *states(
            VISIT,
            {
                "ABJK12": ("active", "active", "queued"),
                "CL38": ("active", "active", "partial"),
                "DEFGMNPQUVWXY456": ("active", "active", "complete"),
                "RZ9": ("cancelled", "cancelled", "complete"),
                "?7": ("active", "active", "partial"),
                " ": ("active", "active", "queued"),
                "rz": ("cancelled", "cancelled", "complete"),
            },
        ),
    ],
)
def test_a_status_of_the_payment_system_becomes_statuses_and_an_outcome(known, billed, status, expected):
    bodies = rendered(known, replace(billed, status=status))

    claim, response = bodies["Claim"], bodies["ClaimResponse"]
    assert (claim["status"], response["status"], response["outcome"]) == expected


def test_a_response_tells_the_status_as_the_system_has_it_and_since_when(known):
    of_fiss, of_mcs = rendered(known, STAY)["ClaimResponse"], rendered(known, VISIT)["ClaimResponse"]

    assert extensions(of_fiss) == {
        "curr-status": "S",
        "recd-dt-cymd": str(RECEIVED),
        "curr-tran-dt-cymd": str(CHANGED),
        "group-code": "CO",
        "stmt-cov-to-cymd": str(LAST_DAY),
    }
    assert extensions(of_mcs) == {
        "status-code": "B",
        "claim-receipt-date": str(RECEIVED),
        "status-date": str(RECEIVED),
        "hdr-to-date-of-svc": str(LAST_DAY),
    }
    assert of_fiss["insurer"] == of_mcs["insurer"] == {"identifier": {"value": "CMS"}}


def test_a_claim_is_created_when_it_is_received_and_its_response_when_the_status_changes(known):
    bodies = rendered(known, STAY)

    assert bodies["Claim"]["created"] == f"{RECEIVED}T00:00:00+00:00"
    assert bodies["ClaimResponse"]["created"] == f"{CHANGED}T00:00:00+00:00"


# --- What was billed ------------------------------------------------------------------------------------------------


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


# --- What stays in the house ----------------------------------------------------------------------------------------

SENSITIVE = Diagnosis("F1120", ())
SENSITIVE_CLAIMS = [
    replace(STAY, diagnoses=(*STAY.diagnoses, SENSITIVE)),
    replace(STAY, procedures=(replace(STAY.procedures[0], code="HZ2ZZZZ"),)),
    replace(STAY, drg=Coded("897")),
    replace(STAY, lines=(STAY.lines[0], replace(STAY.lines[1], hcpcs=Coded("H0020")))),
    replace(VISIT, diagnoses=(*VISIT.diagnoses, SENSITIVE)),
    replace(VISIT, lines=(replace(VISIT.lines[0], hcpcs=Coded("H0020")), VISIT.lines[1])),
]


@pytest.mark.parametrize("billed", SENSITIVE_CLAIMS)
def test_one_code_about_substance_use_disorder_is_enough(billed):
    assert is_samhsa(billed)


@BOTH
def test_other_claims_are_not_sensitive(billed):
    assert not is_samhsa(billed)  # group 291, heart failure: the digits of a listed diagnosis


def test_neither_the_claim_nor_its_response_leaves_the_house(known):
    withheld = tuple(replace(billed, is_samhsa=is_samhsa(billed), claim_id=-number)
                     for number, billed in enumerate(SENSITIVE_CLAIMS, 1))  # fmt: skip
    of_all = replace(known, partial_claims=(*withheld, STAY))

    resources = list(r4.resources(of_all, last_updated=LAST_UPDATED))

    assert [r.id for r in resources if r.resource_type in MODELS] == [f"f-{STAY.claim_id}"] * 2
    assert of_all.withheld_count == len(SENSITIVE_CLAIMS)
