import datetime as dt
import re

import pytest

from credentials.models import Role
from credentials.programs import CKCC, KCF, PROGRAMS, REACH, SSP, EntityIds, choices, code_before, program_before


@pytest.mark.parametrize(
    ("program", "entity_id"),
    [(SSP, "A9994"), (REACH, "D9990"), (CKCC, "C0001"), (KCF, "K0001")],
    ids=lambda each: getattr(each, "code", each),
)
def test_an_entity_id_is_one_of_one_program(program, entity_id):
    assert [each for each in PROGRAMS if entity_id in each.entity_ids] == [program]


@pytest.mark.parametrize(
    "entity_id", ["CT0000", "DA0000", "GUIDE-0001", "A999", "A99940", "a9994", "V001", "", "A999\u0664", "A9994\n"]
)
def test_ids_of_programs_that_are_not_served_belong_to_none(entity_id):
    assert not any(entity_id in program.entity_ids for program in PROGRAMS)


def test_an_example_that_does_not_match_its_pattern_is_refused():
    with pytest.raises(ValueError, match="B1 doesn't match"):
        EntityIds("B1", re.compile("A[0-9]"))


def test_the_choices_are_the_codes_and_names():
    assert choices() == [
        ("SSP", "Medicare Shared Savings Program"),
        ("REACH", "ACO REACH"),
        ("CKCC", "Comprehensive Kidney Care Contracting"),
        ("KCF", "Kidney Care First"),
    ]


def test_the_codes_fit_into_their_column_and_the_roles_are_roles():
    for program in PROGRAMS:
        assert len(program.code) <= 16
        assert program.roles
        assert program.roles <= set(Role.values)


@pytest.mark.parametrize(
    ("program", "today", "expected"),
    [
        (REACH, dt.date(2026, 3, 31), dt.date(2022, 4, 1)),
        (REACH, dt.date(2026, 4, 1), dt.date(2023, 4, 1)),
        (CKCC, dt.date(2026, 1, 1), dt.date(2024, 1, 1)),
        (KCF, dt.date(2026, 12, 31), dt.date(2024, 1, 1)),
        (SSP, dt.date(2026, 12, 31), None),
    ],
    ids=lambda each: getattr(each, "code", str(each)),
)
def test_a_lookback_is_reckoned_from_the_last_turn_of_the_performance_year(program, today, expected):
    assert program.dates.first_service_date(today) == expected


# --- What the release before has stored -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "entity_id", "program"),
    [
        ("SSP", "A9994", SSP),
        ("REACH", "D9990", REACH),
        ("KCC", "C0001", CKCC),
        ("KCC", "K0001", KCF),
        ("KCC", "A9994", None),
        ("REACH", "A1234", None),
        ("SSP", "ABC123", None),
        ("GUIDE", "C0001", None),
        ("CKCC", "C0001", None),
        ("", "A9994", None),
    ],
)
def test_its_code_and_the_entity_id_together_say_the_program(code, entity_id, program):
    assert program_before(code, entity_id) is program


def test_it_is_told_the_code_that_it_knows():
    assert [code_before(program.code) for program in PROGRAMS] == ["SSP", "REACH", "KCC", "KCC"]
    assert code_before("A_PROGRAM_OF_AN_APP") == ""
