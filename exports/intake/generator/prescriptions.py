"""Fills of a synthetic person's prescriptions. Pure."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from functools import partial

from exports.intake.generator.billing import Event, Processing
from exports.intake.generator.code_lists import CODES, Drug
from exports.intake.generator.cost_sharing import NOTHING, Ledger, in_cents
from exports.intake.generator.history import Draw, History, Treatment, pick
from exports.intake.generator.inpatient import Stay
from exports.records import CareTeamMember, PharmacyClaim
from exports.vocabulary import Amount, CareRole, ClaimKind, Coded, Part

# The day from which fills are counted, before any that is ever asked for.
EPOCH = dt.date(2010, 1, 1)
YEAR = 360
FILLED = 0.92
DAYS_UNTIL_PAID = 14


def events(history: History, year: int, stays: list[Stay]) -> Iterator[Event]:
    """The fills of a year: what is taken for good, and what a stay in hospital was followed by."""
    if not history.person.has_part_d:
        return
    for treatment in history.treatments:
        yield from _refills(history, treatment, year)
    for stay in stays:
        for name in stay.episode.follow_up_drugs:
            drug = next(drug for drug in CODES.drugs if drug.name.startswith(name))
            draw = history.draw("pde", stay.draw.claim_id, drug.code)
            day = stay.end_date + dt.timedelta(days=1)
            if day.year == year and history.is_covered(Part.D, day):
                yield Event(
                    day, partial(_bill, history, Treatment(drug, history.physician), day=day, draw=draw, fill_number=0)
                )


def _refills(history: History, treatment: Treatment, year: int) -> Iterator[Event]:
    """One fill after the other, a few days apart from the end of the supply, and now and then one left out."""
    drug = treatment.drug
    random = history.draw("refills", drug.code).random()
    every = drug.days + random.randint(0, 4)
    first = EPOCH + dt.timedelta(days=random.randrange(every))
    ordinal = -(-(dt.date(year, 1, 1) - first).days // every)
    while (day := first + dt.timedelta(days=ordinal * every)).year == year:
        draw = history.draw("pde", drug.code, ordinal)
        if draw.chance < FILLED and history.is_covered(Part.D, day):
            yield Event(day, partial(_bill, history, treatment, day=day, draw=draw, fill_number=ordinal % _fills(drug)))
        ordinal += 1


def _fills(drug: Drug) -> int:
    """How often one prescription is filled: it lasts a year."""
    return max(1, YEAR // drug.days)


def _bill(
    history: History, treatment: Treatment, ledger: Ledger, *, day: dt.date, draw: Draw, fill_number: int
) -> PharmacyClaim:
    random = draw.random()
    drug = treatment.drug
    cost = in_cents(drug.cost * Decimal(random.randint(94, 106)) / 100)
    share = ledger.part_d(cost, is_brand=drug.is_brand)
    processing = Processing.after(day, random, days=(5, 24))
    prescription = history.draw("prescription", drug.code, day.year).control_number[:12]
    catastrophic = "" if not share.above_threshold else "A" if share.below_threshold else "C"
    return PharmacyClaim(
        kind=ClaimKind.PDE,
        claim_id=draw.claim_id,
        group_id=draw.group_id,
        from_date=day,
        through_date=day,
        processed_date=processing.processed_date,
        recorded_date=processing.recorded_date,
        payment=share.plan,
        care_team=(CareTeamMember(treatment.prescriber, CareRole.PRESCRIBING),),
        prescription_number=prescription,
        plan=history.plan,
        pharmacy=history.pharmacy,
        service_type=pick(random, ("01", "06", "08"), (92, 6, 2)),
        drug=Coded(drug.code, drug.name),
        quantity=drug.quantity,
        days_supply=drug.days,
        fill_number=fill_number,
        is_compound=False,
        is_brand=drug.is_brand,
        origin=pick(random, "12345", (5, 8, 82, 3, 2)),
        dispense_as_written=pick(random, "012", (96, 3, 1)) if drug.is_brand else "0",
        coverage_status="C",
        residence="01",
        payment_date=processing.processed_date,
        catastrophic=catastrophic,
        amounts={
            Amount.COVERED_PLAN_PAYMENT: share.plan,
            Amount.NONCOVERED_PLAN_PAYMENT: NOTHING,
            Amount.COST_BELOW_THRESHOLD: share.below_threshold,
            Amount.COST_ABOVE_THRESHOLD: share.above_threshold,
            Amount.PATIENT_PAYMENT: share.patient,
            Amount.OTHER_OUT_OF_POCKET: NOTHING,
            Amount.LOW_INCOME_SUBSIDY: share.subsidy,
            Amount.OTHER_PAYER_REDUCTION: NOTHING,
            Amount.DRUG_COST: cost,
            Amount.GAP_DISCOUNT: share.discount,
        },
    )
