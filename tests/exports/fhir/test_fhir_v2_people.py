"""A Patient and each Coverage tell who the person is and what the person has."""

import datetime as dt

import pytest

from exports.fhir import v2
from exports.fhir.common import systems
from exports.vocabulary import Part
from tests.exports.fhir.reading import codes
from tests.exports.made_up import LAST_UPDATED, record


def test_a_patient_has_a_member_number_and_the_current_mbi():
    each = record(4)

    body = next(v2.render(each, last_updated=LAST_UPDATED)).body

    member, medicare = body["identifier"]
    assert (member["system"], member["value"]) == (f"{systems.VARIABLES}/bene_id", str(each.person.beneficiary_id))
    assert (medicare["system"], medicare["value"]) == (systems.MBI, each.person.mbi)
    assert codes(member["type"]) == {systems.IDENTIFIER_TYPE: "MB"}
    assert codes(medicare["type"]) == {systems.IDENTIFIER_TYPE: "MC"}
    assert body["deceasedBoolean"] is False


def test_a_patient_who_died_says_when_and_the_coverage_ended_then():
    died = dt.date(2025, 5, 17)

    patient, *others = (r.body for r in v2.render(record(4, death_date=died), last_updated=LAST_UPDATED))

    coverage = [body for body in others if body["resourceType"] == "Coverage"]
    assert patient["deceasedDateTime"] == died
    assert "deceasedBoolean" not in patient
    assert coverage
    assert {(body["status"], body["period"]["end"]) for body in coverage} == {("cancelled", died)}


@pytest.mark.parametrize(("has_part_d", "expected"), [(True, ["A", "B", "D"]), (False, ["A", "B"])])
def test_there_is_a_coverage_for_each_part_that_the_person_has(has_part_d, expected):
    each = record(4, has_part_d=has_part_d)

    coverage = [r.body for r in v2.render(each, last_updated=LAST_UPDATED) if r.resource_type == "Coverage"]

    assert [body["class"][1]["value"] for body in coverage] == [f"Part {part}" for part in expected]
    assert [body["id"] for body in coverage] == [
        f"part-{part.lower()}-{each.person.beneficiary_id}" for part in expected
    ]
    assert {body["subscriberId"] for body in coverage} == {each.person.mbi}
    assert {covered.part for covered in each.coverage} == {Part(part) for part in expected}


def test_coverage_tells_the_months_of_the_reference_year():
    each = record(4, has_part_d=True)

    *_, part_d = (r.body for r in v2.render(each, last_updated=LAST_UPDATED) if r.resource_type == "Coverage")

    told = {extension["url"].rsplit("/", 1)[-1] for extension in part_d["extension"]}
    assert {"rfrnc_yr", "dual_01", "buyin01", "ptdcntrct01", "ptdpbpid01", "cstshr01", "dual_11", "cstshr11"} <= told
    assert "dual_12" not in told  # the year is not over
