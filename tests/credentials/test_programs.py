import datetime as dt

import pytest

from credentials.models import Program
from credentials.programs import MODELS, model_of


def test_every_program_of_the_product_has_a_model_and_no_model_another_program() -> None:
    assert {model.program for model in MODELS} == set(Program.values)


@pytest.mark.parametrize(
    ("entity_id", "program"), [("A9994", Program.SSP), ("D9990", Program.REACH), ("C0001", "KCC"), ("K0001", "KCC")]
)
def test_the_entity_id_says_the_program(entity_id: str, program: str) -> None:
    model = model_of(entity_id)

    assert model is not None
    assert model.program == program


@pytest.mark.parametrize(
    "entity_id", ["CT0000", "DA0000", "GUIDE-0001", "A999", "A99940", "a9994", "V001", "", "A999\u0664"]
)
def test_ids_of_programs_that_are_not_served_belong_to_no_model(entity_id: str) -> None:
    assert model_of(entity_id) is None


def test_the_examples_are_of_their_model() -> None:
    assert all(model_of(model.entity_id_example) is model for model in MODELS)


@pytest.mark.parametrize(
    ("entity_id", "today", "expected"),
    [
        ("D9990", dt.date(2026, 3, 31), dt.date(2022, 4, 1)),
        ("D9990", dt.date(2026, 4, 1), dt.date(2023, 4, 1)),
        ("C9990", dt.date(2026, 1, 1), dt.date(2024, 1, 1)),
        ("K9990", dt.date(2026, 12, 31), dt.date(2024, 1, 1)),
    ],
)
def test_a_lookback_is_reckoned_from_the_last_turn_of_the_performance_year(
    entity_id: str, today: dt.date, expected: dt.date
) -> None:
    model = model_of(entity_id)

    assert model is not None
    assert model.lookback is not None
    assert model.lookback.first_service_date(today) == expected


def test_the_shared_savings_program_looks_back_without_bound() -> None:
    assert MODELS[0].lookback is None
