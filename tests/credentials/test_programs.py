import datetime as dt
import re

import pytest
from django.apps import apps

from credentials.models import Role
from credentials.programs import (
    ACCESS,
    CDAC,
    CEC,
    CKCC,
    GUIDE,
    IOTA,
    KCF,
    MDTCOC,
    NGACO,
    PROGRAMS,
    REACH,
    SSP,
    TEST,
    ApiVersions,
    DateRules,
    EntityIds,
    Lookback,
    choices,
    code_before,
    program_before,
)
from credentials.registry import TakenKeyError

# Code, an entity ID, what is known of it besides Patient, Coverage and ExplanationOfBenefit, and on which day claims
# begin, seen on 31 March and on 1 April 2026.
FACTS = [
    (SSP, "A9994", "", None, None),
    (REACH, "D9990", "partial", dt.date(2022, 4, 1), dt.date(2023, 4, 1)),
    (CKCC, "C0001", "", dt.date(2024, 1, 1), dt.date(2024, 1, 1)),
    (KCF, "K0001", "", dt.date(2024, 1, 1), dt.date(2024, 1, 1)),
    (CEC, "E0001", "", None, None),
    (NGACO, "V001", "", None, None),
    (MDTCOC, "CT0001", "partial, opt-outs ignored", None, None),
    (MDTCOC, "CT000001", "partial, opt-outs ignored", None, None),
    (CDAC, "DA0001", "partial", None, None),
    (GUIDE, "GUIDE-0001", "not version 1", dt.date(2022, 7, 1), dt.date(2022, 7, 1)),
    (ACCESS, "ACCES00001", "not version 1", None, None),
    (IOTA, "IOTA001", "partial, not version 1", None, None),
    (TEST, "TEST001", "partial", None, None),
]
MARCH, APRIL = dt.date(2026, 3, 31), dt.date(2026, 4, 1)


@pytest.mark.parametrize(
    ("program", "entity_id", "particular", "seen_in_march", "seen_in_april"), FACTS, ids=[each[1] for each in FACTS]
)
def test_what_is_known_of_a_program(program, entity_id, particular, seen_in_march, seen_in_april):
    found = [
        "partial" if {"Claim", "ClaimResponse"} <= program.resource_types else "",
        "" if program.consent.honors_opt_outs else "opt-outs ignored",
        "" if 1 in program.api_versions else "not version 1",
    ]

    assert [each for each in PROGRAMS if entity_id in each.entity_ids] == [program]
    assert {"Patient", "Coverage", "ExplanationOfBenefit"} <= program.resource_types
    assert ", ".join(filter(None, found)) == particular
    assert program.dates.first_service_date(MARCH) == seen_in_march
    assert program.dates.first_service_date(APRIL) == seen_in_april
    assert 2 in program.api_versions


def test_each_program_has_been_asked_about():
    assert {program.code for program, *_ in FACTS} == {program.code for program in PROGRAMS}


@pytest.mark.parametrize(
    "entity_id",
    [
        *("CT000", "CT0000000", "DA000", "DA00000", "GUIDE0001", "GUIDE-001", "ACCESS00001", "ACCES0001", "IOTA01"),
        *("TEST01", "V0001", "V01", "E001", "A999", "A99940", "a9994", "B9994", "", "A999\u0664", "A9994\n"),
    ],
)
def test_other_ids_belong_to_no_program(entity_id):
    assert not any(entity_id in program.entity_ids for program in PROGRAMS)


def test_an_example_that_does_not_match_its_pattern_is_refused():
    with pytest.raises(ValueError, match="B1 doesn't match"):
        EntityIds("B1", re.compile("A[0-9]"))


def test_the_choices_are_the_codes_and_names():
    assert choices()[:2] == [("SSP", "Medicare Shared Savings Program"), ("REACH", "ACO REACH")]
    assert len(choices()) == len(PROGRAMS) == 12


def test_the_codes_fit_into_their_column_and_the_roles_are_roles():
    for program in PROGRAMS:
        assert len(program.code) <= 16
        assert len(program.entity_ids.example) <= 12
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


def test_test_organizations_are_served_only_where_the_setting_says_so(settings):
    settings.TEST_PROGRAM = True
    with pytest.raises(TakenKeyError, match="'TEST'"):  # it has been added at the start
        apps.get_app_config("credentials").ready()

    settings.TEST_PROGRAM = False
    apps.get_app_config("credentials").ready()


def test_of_a_lookback_and_a_floor_the_later_day_counts():
    lookback = Lookback(years=2, month=1, day=1)

    assert DateRules(lookback, floor=dt.date(2023, 1, 1)).first_service_date(APRIL) == dt.date(2024, 1, 1)
    assert DateRules(lookback, floor=dt.date(2025, 1, 1)).first_service_date(APRIL) == dt.date(2025, 1, 1)


def test_api_versions_are_all_or_some_or_all_but_some():
    assert 9 in ApiVersions()
    assert 9 not in ApiVersions(without=frozenset({9}))
    assert [number in ApiVersions(only=frozenset({2})) for number in (1, 2, 3)] == [False, True, False]


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
        ("GUIDE", "GUIDE-0001", None),
        ("CKCC", "C0001", None),
        ("", "A9994", None),
    ],
)
def test_its_code_and_the_entity_id_together_say_the_program(code, entity_id, program):
    assert program_before(code, entity_id) is program


def test_it_is_told_the_code_that_it_knows():
    assert [code_before(program.code) for program in PROGRAMS] == ["SSP", "REACH", "KCC", "KCC"] + [""] * 8
    assert code_before("A_PROGRAM_OF_AN_APP") == ""
