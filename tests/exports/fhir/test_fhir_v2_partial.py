"""What is rendered of partially adjudicated claims is FHIR R4: a Claim and its response, and their statuses."""

import datetime as dt
import json
import re
from dataclasses import fields, replace
from decimal import Decimal

import pytest

from exports.fhir import v2
from exports.fhir.common import systems
from exports.fhir.common.ndjson import line
from exports.fhir.common.resource import Resource
from exports.fhir.v2.claim_response import claim_response
from exports.records import PartialClaim, Provider
from tests.exports.fhir.partial_claims import (
    BOTH,
    CHANGED,
    FIRST_DAY,
    FISS,
    LAST_DAY,
    MCS,
    MODELS,
    RECEIVED,
    STAY,
    VISIT,
    contained,
    extensions,
    rendered,
)
from tests.exports.fhir.reading import codes
from tests.exports.made_up import LAST_UPDATED, record

# --- As the standard wants it ---------------------------------------------------------------------------------------


@BOTH
def test_an_independent_implementation_of_r4_accepts_both_resources(known, billed):
    bodies = rendered(known, billed)

    for name, model in MODELS.items():
        read = model.model_validate_json(json.dumps(bodies[name], default=str))
        assert read.id == bodies[name]["id"]
        assert read.meta.lastUpdated == LAST_UPDATED


@pytest.fixture(scope="module")
def synthetic() -> list[Resource]:
    """All that is made of thirty made-up people's claims."""
    return [
        resource
        for number in range(30)
        for resource in v2.render(record(number, with_partial_claims=True), last_updated=LAST_UPDATED)
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
    resources = list(v2.render(replace(known, partial_claims=(STAY, VISIT)), last_updated=LAST_UPDATED))

    types = [resource.resource_type for resource in resources]
    assert types[0] == "Patient"
    assert set(types[1:-4]) == {"Coverage"}
    assert types[-4:] == ["Claim", "Claim", "ClaimResponse", "ClaimResponse"]


def test_benefits_come_before_claims():
    types = [r.resource_type for r in v2.render(record(0, with_partial_claims=True), last_updated=LAST_UPDATED)]

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
    resources = list(v2.render(replace(known, partial_claims=(billed,)), last_updated=LAST_UPDATED))

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
