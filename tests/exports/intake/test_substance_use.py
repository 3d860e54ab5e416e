import datetime as dt
from dataclasses import replace
from decimal import Decimal

import pytest

from exports.intake.substance_use import is_listed, is_samhsa
from exports.records import Diagnosis
from exports.vocabulary import ClaimKind, Coded, CodeSystem, DiagnosisType
from tests.exports.made_up import record

TODAY = dt.date(2026, 11, 22)


@pytest.fixture(scope="module")
def claims() -> dict[ClaimKind, object]:
    """A claim of each kind that is not about substance use disorder."""
    return {claim.kind: claim for number in range(12) for claim in record(number).disclosable_claims}


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (CodeSystem.ICD_10_CM, "F1120"),
        (CodeSystem.ICD_10_CM, "Z7141"),
        (CodeSystem.ICD_10_PCS, "HZ2ZZZZ"),
        (CodeSystem.ICD_9_CM, "291"),
        (CodeSystem.ICD_9_PROCEDURE, "9461"),
        (CodeSystem.HCPCS, "H0020"),
        (CodeSystem.MS_DRG, "895"),
        (CodeSystem.MS_DRG, "897"),
    ],
)
def test_a_code_of_the_list_is_listed(system, code):
    assert is_listed(system, code, TODAY)


@pytest.mark.parametrize(
    ("system", "code"),
    [
        (CodeSystem.ICD_10_CM, "F17210"),  # nicotine
        (CodeSystem.ICD_10_CM, "I5033"),
        (CodeSystem.HCPCS, "G0439"),
        (CodeSystem.MS_DRG, "871"),
    ],
)
def test_other_codes_are_not_listed(system, code):
    assert not is_listed(system, code, TODAY)


def test_the_digits_of_heart_failure_are_listed_as_a_diagnosis_only():
    assert is_listed(CodeSystem.ICD_9_CM, "291", TODAY)
    assert is_listed(CodeSystem.ICD_9_CM, "292", TODAY)
    assert not is_listed(CodeSystem.MS_DRG, "291", TODAY)
    assert not is_listed(CodeSystem.MS_DRG, "292", TODAY)


@pytest.mark.parametrize(
    ("system", "code", "last_day_out", "first_day_in"),
    [
        (CodeSystem.HCPCS, "G0137", dt.date(2023, 12, 31), dt.date(2024, 1, 1)),
        (CodeSystem.HCPCS, "G2215", dt.date(2021, 11, 3), dt.date(2021, 11, 4)),
        (CodeSystem.ICD_10_CM, "F1090", dt.date(2021, 12, 31), dt.date(2022, 1, 1)),
        (CodeSystem.MS_DRG, "522", dt.date(2007, 10, 2), dt.date(2007, 10, 1)),
    ],
)
def test_a_code_is_listed_in_its_time_only(system, code, last_day_out, first_day_in):
    assert is_listed(system, code, first_day_in)
    assert not is_listed(system, code, last_day_out)


def test_the_group_that_was_drug_abuse_is_a_hip_replacement_today():
    assert not is_listed(CodeSystem.MS_DRG, "522", TODAY)


@pytest.mark.parametrize("code", ["F11.20", "f1120", "  F1120 ", "f11.20"])
def test_dots_cases_and_blanks_do_not_hide_a_code(code):
    assert is_listed(CodeSystem.ICD_10_CM, code, TODAY)


def test_cpt_codes_are_found_under_the_one_system_that_claims_use():
    assert is_listed(CodeSystem.HCPCS, "99408", TODAY)


def test_a_system_that_is_not_known_counts_as_listed():
    assert is_listed("urn:oid:of-nobody", "A", TODAY)


@pytest.mark.parametrize("kind", [ClaimKind.INPATIENT, ClaimKind.OUTPATIENT, ClaimKind.CARRIER])
def test_one_diagnosis_is_enough(claims, kind):
    claim = claims[kind]
    sensitive = Diagnosis("F1120", (DiagnosisType.OTHER,))

    found = is_samhsa(replace(claim, diagnoses=(*claim.diagnoses, sensitive)))

    assert found
    assert not is_samhsa(claim)


@pytest.mark.parametrize("kind", [ClaimKind.INPATIENT, ClaimKind.OUTPATIENT, ClaimKind.CARRIER])
def test_one_service_is_enough(claims, kind):
    claim = claims[kind]
    last = replace(claim.lines[-1], hcpcs=Coded("H0020"))

    assert is_samhsa(replace(claim, lines=(*claim.lines[:-1], last)))


@pytest.mark.parametrize(
    ("drg", "expected"), [("895", True), ("896", True), ("897", True), ("291", False), ("522", False)]
)
def test_the_group_of_a_stay_is_looked_at(claims, drg, expected):
    stay = claims[ClaimKind.INPATIENT]
    admission = replace(stay.admission, drg=Coded(drg), drg_weight=Decimal(1))

    assert is_samhsa(replace(stay, admission=admission)) is expected


def test_a_procedure_of_a_stay_is_looked_at():
    stays = (
        c for n in range(60) for c in record(n).disclosable_claims if c.kind == ClaimKind.INPATIENT and c.procedures
    )
    stay = next(stays)
    detoxification = replace(stay.procedures[0], code="HZ2ZZZZ")

    assert is_samhsa(replace(stay, procedures=(detoxification,)))


def test_drugs_are_not_looked_at(claims):
    event = claims[ClaimKind.PDE]
    sensitive = Diagnosis("F1120", (DiagnosisType.OTHER,))

    assert not is_samhsa(replace(event, diagnoses=(sensitive,)))
