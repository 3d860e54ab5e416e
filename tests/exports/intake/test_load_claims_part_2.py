"""`manage.py load_claims`: claims about substance use disorder stay outside (42 CFR Part 2)."""

import datetime as dt

import pytest

from exports.fhir import v2
from exports.fhir.common import systems
from exports.fhir.common.ndjson import line as rendered
from exports.fhir.v2.explanation_of_benefit import explanation_of_benefit
from exports.intake.disclosure import Disclosure
from exports.intake.resources import LineReader
from exports.intake.substance_use import is_samhsa
from exports.models import Chunk, Deletion, Load
from tests.exports.made_up import LAST_UPDATED, record
from tests.exports.ndjson import claim, claim_response, eob, line, load, patient, stored_ids, write
from tests.exports.store import deleted, exported, run, start

ABSENT = {"system": systems.DATA_ABSENT_REASON, "code": "not-applicable"}
DRG = "https://bluebutton.cms.gov/resources/variables/clm_drg_cd"
CMS_DRG = (
    "https://www.cms.gov/Medicare/Medicare-Fee-for-Service-Payment/AcuteInpatientPPS/"
    "MS-DRG-Classifications-and-Software"
)


def concept(*codings: tuple[str, str]) -> dict:
    return {"coding": [{"system": system, "code": code} for system, code in codings]}


def diagnosis(*codings: tuple[str, str]) -> dict:
    return {"diagnosis": [{"sequence": 1, "diagnosisCodeableConcept": concept(*codings)}]}


def procedure(*codings: tuple[str, str]) -> dict:
    return {"procedure": [{"sequence": 1, "procedureCodeableConcept": concept(*codings)}]}


def item(*codings: tuple[str, str], name: str = "productOrService") -> dict:
    return {"item": [{"sequence": 1, name: concept(*codings)}]}


def group(system: str, code: str, category: str = "info") -> dict:
    return {"supportingInfo": [{"category": concept(("", category)), "code": concept((system, code))}]}


def disclosure(body: dict) -> Disclosure:
    return LineReader([body["resourceType"]]).read(line(body)).disclosure


SENSITIVE = diagnosis((systems.ICD_10_CM, "F1120"))


@pytest.mark.parametrize(
    "elements",
    [
        SENSITIVE,
        diagnosis((systems.ICD_10_CM, "I5033"), (systems.ICD_10, " f11.20 ")),
        diagnosis((systems.ICD_9_CM, "291")),
        procedure((systems.ICD_10_PCS, "HZ2ZZZZ")),
        procedure((systems.ICD_10, "HZ2ZZZZ")),
        procedure(("http://hl7.org/fhir/sid/icd-10-pcs", "HZ2ZZZZ")),
        procedure((systems.ICD_9_PROCEDURE, "94.61")),
        procedure((systems.ICD_9_CM, "9461")),
        item((systems.HCPCS, "H0020")),
        item((systems.HCPCS, "99408")),
        item((f"{systems.VARIABLES}/hcpcs_cd", "H0020")),
        item((systems.HCPCS_RELEASE, "H0020")),
        item(("http://www.ama-assn.org/go/cpt", "99408")),
        item((systems.HCPCS, "H0020"), name="service"),
        {"item": [{"detail": [{"subDetail": [{"productOrService": concept((systems.HCPCS, "H0020"))}]}]}]},
        {"addItem": [{"productOrService": concept((systems.HCPCS, "H0020"))}]},
        group(DRG, "895"),
        group(DRG, "0895"),
        group(CMS_DRG, "MS-DRG 896", category="drg"),
        {
            "diagnosis": [
                {**diagnosis((systems.ICD_10_CM, "I5033"))["diagnosis"][0], "packageCode": concept((DRG, "897"))}
            ]
        },
        {"meta": {"security": [{"system": systems.ACT_CODE, "code": "42CFRPart2"}]}},
    ],
)
def test_a_claim_is_judged_wherever_the_code_stands(elements):
    assert disclosure(eob("e-1", "p-1", **elements)) == Disclosure.LISTED


@pytest.mark.parametrize(
    "elements",
    [
        {},
        diagnosis((systems.ICD_10_CM, "F17210")),
        # Heart failure: the digits of what alcohol did to a mind in another system.
        group(DRG, "291"),
        # A hip replacement since October 2007.
        group(DRG, "522"),
        # A procedure of the throat, and alcohol again.
        procedure((systems.ICD_9_CM, "29.11")),
        item((systems.NDC, "00054017613")),
        item((systems.HCPCS, "G0439")),
        {"item": [{"productOrService": {"coding": [ABSENT]}}]},
        {"item": [{"productOrService": {"text": "unknown"}}]},
        group("https://bluebutton.cms.gov/resources/variables/ptnt_dschrg_stus_cd", "895"),
    ],
)
def test_a_claim_is_free_where_no_code_is_listed(elements):
    assert disclosure(eob("e-1", "p-1", **elements)) == Disclosure.FREE


@pytest.mark.parametrize(
    "elements",
    [
        diagnosis(("urn:oid:of-nobody", "F1120")),
        diagnosis((systems.ICD_10_CM, "")),
        {"diagnosis": [{"diagnosisCodeableConcept": {"text": "opioid dependence"}}]},
        {"diagnosis": [{"diagnosisReference": {"reference": "#condition"}}]},
        {"procedure": [{"procedureReference": {"reference": "#procedure"}}]},
        item(("http://snomed.info/sct", "1")),
        group("urn:oid:of-nobody", "1", category="drg"),
    ],
)
def test_what_cannot_be_judged_is_not_free(elements):
    assert disclosure(eob("e-1", "p-1", **elements)) == Disclosure.UNJUDGED


def test_a_listed_code_says_more_than_one_that_is_not_known():
    elements = {**item(("urn:oid:of-nobody", "1")), **SENSITIVE}

    assert disclosure(eob("e-1", "p-1", **elements)) == Disclosure.LISTED


@pytest.mark.parametrize(("end", "expected"), [("2007-10-01", Disclosure.LISTED), ("2007-10-02", Disclosure.FREE)])
def test_a_code_is_listed_in_its_time(end, expected):
    assert disclosure(eob("e-1", "p-1", end=end, **group(DRG, "522"))) == expected


def test_claims_that_we_render_are_judged_as_their_facts_are():
    found = {True: 0, False: 0}
    for number in range(60):
        made = record(number)
        for each in made.claims:
            body = explanation_of_benefit(made.person, each, last_updated=LAST_UPDATED)
            resource = LineReader(["ExplanationOfBenefit"]).read(rendered(body))
            expected = is_samhsa(each)
            assert resource.disclosure == (Disclosure.LISTED if expected else Disclosure.FREE), resource.id
            assert resource.service_date == each.through_date
            found[expected] += 1

    assert min(found.values()) > 0


def test_what_we_export_is_free():
    for number in range(10):
        for resource in v2.render(record(number), last_updated=LAST_UPDATED):
            read = LineReader([resource.resource_type]).read(rendered(resource.body))

            assert read.disclosure == Disclosure.FREE or resource.resource_type == "ClaimResponse"


def test_such_claims_are_left_out_counted_and_told(world, tmp_path, capsys):
    (one,) = world.beneficiaries(1)
    unknown = item(("http://snomed.info/sct", "1"))
    file = write(
        tmp_path / "a",
        patient("p-1", one),
        eob("e-1", "p-1"),
        eob("e-2", "p-1", **SENSITIVE),
        eob("e-3", "p-1", **unknown),
        eob("e-4", "p-1", **unknown),
    )

    load(file)

    assert stored_ids("ExplanationOfBenefit") == ["e-1"]
    assert Load.objects.get().resource_count == 2
    assert b"F1120" not in b"".join(bytes(chunk.body) for chunk in Chunk.objects.all())
    said = capsys.readouterr().out
    assert ": 1 ExplanationOfBenefit, 1 Patient of 1 beneficiary, " in said
    assert "Withheld: 1 ExplanationOfBenefit about substance use disorder (42 CFR Part 2).\n" in said
    assert f"Withheld: 2 ExplanationOfBenefit whose codes can't be checked. The first is {file}, line 4.\n" in said


def test_a_claim_that_turns_out_to_be_sensitive_is_taken_out_of_the_store(world, tmp_path, capsys):
    (one,) = world.beneficiaries(1)
    load(write(tmp_path / "1", patient("p-1", one), eob("e-1", "p-1"), eob("e-2", "p-1")))
    capsys.readouterr()

    load(write(tmp_path / "2", eob("e-2", "p-1", **SENSITIVE)))

    assert stored_ids("ExplanationOfBenefit") == ["e-1"]
    deletion = Deletion.objects.get(load=Load.objects.first())
    assert (deletion.is_replaced, deletion.resource_ids) == (False, ["e-2"])
    said = capsys.readouterr().out
    assert ": nothing of 0 beneficiaries, 0 bytes in " in said
    assert "Removed: 1 from earlier loads. They are withheld from now on.\n" in said


def test_whoever_has_a_claim_that_turned_out_to_be_sensitive_is_told_to_delete_it(world, tmp_path):
    (one,) = world.beneficiaries(1)
    world.roster(world.harbor, [one])
    load(write(tmp_path / "1", patient("p-1", one), eob("e-1", "p-1"), eob("e-2", "p-1")))
    had = run(start(world.harbor))

    load(write(tmp_path / "2", eob("e-2", "p-1", **SENSITIVE)))
    job = run(start(world.harbor, since=had.transaction_time))

    assert exported(job) == {}
    assert deleted(job) == {"ExplanationOfBenefit": [["ExplanationOfBenefit/e-2"]]}


def test_a_response_is_withheld_with_its_claim(world, tmp_path, capsys):
    one, two = world.beneficiaries(2)
    write(tmp_path / "1", claim_response("f-1", one, "f-1"), claim_response("f-2", one, "f-2"))
    write(tmp_path / "2", claim("f-1", one, **SENSITIVE), claim("f-2", one), claim_response("f-3", two, "f-9"))

    load(tmp_path)

    assert stored_ids("Claim") == ["f-2"]
    assert stored_ids("ClaimResponse") == ["f-2"]
    said = capsys.readouterr().out
    assert "Withheld: 1 Claim, 1 ClaimResponse about substance use disorder" in said
    assert f"1 ClaimResponse whose codes can't be checked. The first is {tmp_path / '2'}, line 3." in said


def test_an_earlier_response_goes_with_its_claim(world, tmp_path):
    (one,) = world.beneficiaries(1)
    load(write(tmp_path / "1", claim("f-1", one), claim_response("f-1", one, "f-1")))

    load(write(tmp_path / "2", claim("f-1", one, **SENSITIVE)))

    assert stored_ids("Claim") == stored_ids("ClaimResponse") == []


def test_the_day_of_a_claim_is_that_of_the_whole_line():
    for end, expected in (("2026-02", dt.date(2026, 2, 28)), ("2026", dt.date(2026, 12, 31))):
        assert LineReader(["ExplanationOfBenefit"]).read(line(eob("e-1", "p-1", end=end))).service_date == expected
    undated = eob("e-1", "p-1")
    del undated["billablePeriod"]
    assert LineReader(["ExplanationOfBenefit"]).read(line(undated)).service_date is None
    undated["extension"] = [{"url": systems.FISS_SERVICE_END, "valueDate": "2026-03-02"}]
    assert LineReader(["ExplanationOfBenefit"]).read(line(undated)).service_date == dt.date(2026, 3, 2)
