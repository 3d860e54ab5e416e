"""The models whose organizations can get claims, as a table of facts. Pure.

A program of the product (credentials.models.Program) can have several models: Kidney Care Choices has two.
"""

import datetime as dt
import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lookback:
    """How far back claims go: from a day of the year, this many years before its last occurrence."""

    years: int
    month: int
    day: int

    def first_service_date(self, today: dt.date) -> dt.date:
        """Return the earliest service date that an organization can see on a day."""
        turned = today >= dt.date(today.year, self.month, self.day)
        return dt.date(today.year - self.years - (0 if turned else 1), self.month, self.day)


@dataclass(frozen=True, slots=True)
class Model:
    """The facts about a model's organizations and files."""

    name: str
    program: str  # a value of credentials.models.Program
    entity_id_example: str
    entity_id_pattern: re.Pattern[str]
    lookback: Lookback | None
    has_partially_adjudicated: bool
    roster_formats: tuple[str, ...] = ("cclf",)  # codes of attribution/formats


MODELS = (
    Model(
        name="Medicare Shared Savings Program",
        program="SSP",
        entity_id_example="A9994",
        entity_id_pattern=re.compile("A[0-9]{4}"),
        lookback=None,
        has_partially_adjudicated=False,
    ),
    Model(
        name="ACO REACH",
        program="REACH",
        entity_id_example="D9990",
        entity_id_pattern=re.compile("D[0-9]{4}"),
        lookback=Lookback(years=3, month=4, day=1),
        has_partially_adjudicated=True,
    ),
    Model(
        name="Comprehensive Kidney Care Contracting",
        program="KCC",
        entity_id_example="C9990",
        entity_id_pattern=re.compile("C[0-9]{4}"),
        lookback=Lookback(years=2, month=1, day=1),
        has_partially_adjudicated=False,
    ),
    Model(
        name="Kidney Care First",
        program="KCC",
        entity_id_example="K9990",
        entity_id_pattern=re.compile("K[0-9]{4}"),
        lookback=Lookback(years=2, month=1, day=1),
        has_partially_adjudicated=False,
    ),
)


def model_of(entity_id: str) -> Model | None:
    """Return the model whose entity IDs look like this one, or None."""
    return next((model for model in MODELS if model.entity_id_pattern.fullmatch(entity_id)), None)


def model_for(program: str, entity_id: str) -> Model | None:
    """Return the model of a program whose entity IDs look like this one. An organization without one gets no data."""
    model = model_of(entity_id)
    return model if model and model.program == program else None


def entity_ids_of(program: str) -> str:
    """Return what the entity IDs of a program look like, for messages: "C9990 or K9990"."""
    return " or ".join(model.entity_id_example for model in MODELS if model.program == program)
