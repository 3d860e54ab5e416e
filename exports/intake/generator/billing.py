"""Turns events into claims: in the order of days, processed some weeks later, sometimes corrected. Pure."""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from random import Random

from exports.intake import substance_use as samhsa
from exports.intake.generator.code_lists import CODES
from exports.intake.generator.cost_sharing import Ledger
from exports.intake.generator.history import History
from exports.records import Claim, Diagnosis, InstitutionalClaim, PharmacyClaim, ProfessionalClaim
from exports.vocabulary import DiagnosisType

FRIDAY = 4
# From the last day of a service until the claims history has a corrected claim, at most.
LONGEST_WAY = dt.timedelta(days=150)
# Of claims other than drugs: the part that is about substance use disorder, and the part that is corrected once.
SENSITIVE_SHARE = 0.03
CORRECTED_SHARE = 0.03


@dataclass(frozen=True, slots=True)
class Event:
    """Something that will be billed: on which day, and how, given the payments earlier in that year."""

    day: dt.date
    bill: Callable[[Ledger], Claim]


@dataclass(frozen=True, slots=True)
class Processing:
    """Return when a claim was processed, and when the national claims history got it: on the following Friday."""

    processed_date: dt.date
    recorded_date: dt.date

    @classmethod
    def after(cls, through_date: dt.date, random: Random, *, days: tuple[int, int]) -> "Processing":
        processed = through_date + dt.timedelta(days=random.randint(*days))
        return cls(processed, processed + dt.timedelta(days=(FRIDAY - processed.weekday()) % 7))


def claims_of(history: History, ledger: Ledger, events: list[Event]) -> Iterator[Claim]:
    """Return the claims of a calendar year's events, flagged if they are about substance use disorder."""
    for event in sorted(events, key=lambda event: event.day):
        claim = event.bill(ledger)
        if samhsa.is_samhsa(claim):
            claim = replace(claim, is_samhsa=True)
        yield from _corrected(history, claim)


def _corrected(history: History, claim: Claim) -> Iterator[Claim]:
    """Return the claim; for a few, also the one of its group that it replaced, cancelled on the day it is processed."""
    draw = None if isinstance(claim, PharmacyClaim) else history.draw("correction", claim.claim_id)
    if draw is None or draw.chance >= CORRECTED_SHARE:
        yield claim
        return
    later = Processing.after(claim.processed_date, draw.random(), days=(20, 60))
    claim = replace(claim, processed_date=later.processed_date, recorded_date=later.recorded_date)
    original = replace(claim, claim_id=draw.claim_id, is_final=False)
    match original, claim:
        case InstitutionalClaim(), InstitutionalClaim():
            yield replace(original, control_number=draw.control_number, query_code="0", action_code="2")
            yield replace(claim, query_code="5", action_code="3", frequency="7")
        case ProfessionalClaim(), ProfessionalClaim():
            yield replace(original, control_number=draw.control_number, entry_code="3")
            yield replace(claim, entry_code="5")


def diagnoses(principal: str, others: list[str], *, rest: DiagnosisType) -> tuple[Diagnosis, ...]:
    """Return a principal diagnosis and the others, each code once."""
    codes = dict.fromkeys([principal, *others])
    return tuple(
        Diagnosis(
            code, (DiagnosisType.PRINCIPAL if code == principal else rest,), display=CODES.diagnoses.get(code, "")
        )
        for code in codes
    )
