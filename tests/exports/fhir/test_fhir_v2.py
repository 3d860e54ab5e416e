"""What is rendered is FHIR R4, is what BCDA's clients look for, and holds nothing that has to stay in the house."""

import datetime as dt
import re
from dataclasses import fields
from decimal import Decimal

import msgspec
import pytest
from fhir.resources.R4B.coverage import Coverage
from fhir.resources.R4B.explanationofbenefit import ExplanationOfBenefit
from fhir.resources.R4B.patient import Patient

from exports.fhir import v2
from exports.fhir.common import systems
from exports.fhir.common.ndjson import line
from exports.intake.substance_use import is_listed
from exports.records import Claim
from exports.vocabulary import ClaimKind, CodeSystem
from tests.exports.fhir.reading import codes, nodes, rendered
from tests.exports.made_up import LAST_UPDATED, record

MODELS = {"Patient": Patient, "Coverage": Coverage, "ExplanationOfBenefit": ExplanationOfBenefit}


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
        list(v2.render(record(), last_updated=LAST_UPDATED.replace(tzinfo=None)))


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
    resources = list(v2.render(record(1), last_updated=LAST_UPDATED))

    for resource in resources:
        is_claim = resource.resource_type == "ExplanationOfBenefit"
        assert resource.service_date == (resource.body["billablePeriod"]["end"] if is_claim else None)
        assert (resource.resource_type, resource.id) == (resource.body["resourceType"], resource.body["id"])


def test_rendering_later_changes_nothing_but_last_updated():
    later = LAST_UPDATED + dt.timedelta(days=1)

    first = [resource.body for resource in v2.render(record(2), last_updated=LAST_UPDATED)]
    second = [resource.body for resource in v2.render(record(2), last_updated=later)]

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
