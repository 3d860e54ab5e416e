"""Hospital outpatient visits of a synthetic person. Pure."""

import calendar
import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from functools import partial
from random import Random

from exports.intake.generator.billing import SENSITIVE_SHARE, Event, Processing, diagnoses
from exports.intake.generator.code_lists import CODES, Visit, VisitLine
from exports.intake.generator.cost_sharing import NOTHING, Ledger, in_cents
from exports.intake.generator.history import Draw, History, pick, poisson
from exports.intake.generator.inpatient import Stay, is_inpatient
from exports.records import CareTeamMember, Diagnosis, InstitutionalClaim, RevenueLine
from exports.vocabulary import Amount, CareRole, ClaimKind, Coded, DiagnosisType, Part

EMERGENCY_PHYSICIAN, NEPHROLOGIST = "93", "39"
MONTHS = range(1, 13)
# The reason that goes with a price below the charge: the contract with Medicare.
CONTRACTUAL = ("CO45",)
# What the coinsurance and deductible code says of lines of which nothing is to be paid by the patient.
APPLIES, DOES_NOT_APPLY = "0", "3"


def events(history: History, year: int, stays: list[Stay]) -> Iterator[Event]:
    """The bills of a year's visits, none of them during a stay."""
    random = history.draw("outpatient", year).random()
    visits = [visit for visit in CODES.outpatient if _fits(visit, history)]
    once: set[str] = set()
    for ordinal in range(poisson(random, 0.8 + 0.3 * len(history.conditions))):
        visit = pick(random, visits, [each.weight for each in visits])
        month = random.choice(visit.months or MONTHS)
        day = dt.date(year, month, random.randint(1, calendar.monthrange(year, month)[1]))
        if visit.name in once or is_inpatient(stays, day) or not history.is_covered(Part.B, day):
            continue
        if visit.once_a_year:
            once.add(visit.name)
        draw = history.draw("outpatient", year, ordinal)
        days = _series(history, day, random.randint(*visit.visits))
        yield Event(day, partial(_bill, history, visit, days=days, through_date=days[-1], draw=draw))
    if history.has_esrd:
        yield from _dialysis(history, year)


def _fits(visit: Visit, history: History) -> bool:
    has_need = not visit.needs or not history.condition_codes.isdisjoint(visit.needs)
    return has_need and visit.sex in ("", history.person.sex)


def _dialysis(history: History, year: int) -> Iterator[Event]:
    """A bill for each month of maintenance dialysis."""
    for month in MONTHS:
        first = dt.date(year, month, 1)
        last = first.replace(day=calendar.monthrange(year, month)[1])
        if history.is_covered(Part.B, first) and history.is_covered(Part.B, last):
            draw = history.draw("dialysis", year, month)
            yield Event(first, partial(_bill, history, CODES.dialysis, days=[first], through_date=last, draw=draw))


def _series(history: History, first: dt.date, count: int) -> list[dt.date]:
    """Days of treatment, some days apart, as far as the year and the coverage reach."""
    days = [first + dt.timedelta(days=4 * number) for number in range(count)]
    return [day for day in days if day.year == first.year and history.is_covered(Part.B, day)]


def _bill(
    history: History, visit: Visit, ledger: Ledger, *, days: list[dt.date], through_date: dt.date, draw: Draw
) -> InstitutionalClaim:
    random = draw.random()
    lines = tuple(_lines(history, visit, days, random, ledger))
    amounts = _amounts(lines)
    processing = Processing.after(through_date, random, days=(5, 24))
    return InstitutionalClaim(
        kind=ClaimKind.OUTPATIENT,
        claim_id=draw.claim_id,
        group_id=draw.group_id,
        from_date=days[0],
        through_date=through_date,
        processed_date=processing.processed_date,
        recorded_date=processing.recorded_date,
        payment=amounts[Amount.OUTPATIENT_PROVIDER_PAYMENT],
        amounts=amounts,
        care_team=_care_team(history, visit),
        diagnoses=_diagnoses(history, visit, random),
        nch_type="40",
        control_number=draw.control_number,
        contractor=history.contractor,
        facility=history.hospital,
        facility_type=visit.bill[0],
        classification=visit.bill[1],
        frequency=visit.bill[2],
        query_code="3",
        action_code="1",
        discharge_status="01",
        managed_care_paid="0",
        lines=lines,
    )


def _lines(
    history: History, visit: Visit, days: list[dt.date], random: Random, ledger: Ledger
) -> Iterator[RevenueLine]:
    """The priced lines of each day, and the line that totals their charges."""
    number, charges = 0, NOTHING
    for day in days:
        for line in visit.lines:
            if random.random() * 100 >= line.likely and number:
                continue
            number += 1
            units = Decimal(random.randint(*line.units))
            priced = _line(history, ledger, line, number=number, day=day, units=units)
            charges += priced.amounts[Amount.REVENUE_CHARGE]
            yield priced
    yield RevenueLine(
        number=number + 1,
        revenue_center="0001",
        hcpcs=None,
        units=Decimal(0),
        service_date=days[-1],
        cost_share_code=APPLIES,
        amounts={Amount.REVENUE_CHARGE: charges, Amount.REVENUE_NONCOVERED: NOTHING},
    )


def _line(
    history: History, ledger: Ledger, line: VisitLine, *, number: int, day: dt.date, units: Decimal
) -> RevenueLine:
    share = ledger.part_b(in_cents(line.allowed * units * history.price_level), is_free=line.is_free)
    is_packaged = not line.allowed
    return RevenueLine(
        number=number,
        revenue_center=line.revenue,
        hcpcs=Coded(line.hcpcs, line.display) if line.hcpcs else None,
        units=units,
        service_date=day,
        cost_share_code=DOES_NOT_APPLY if line.is_free or is_packaged else APPLIES,
        status_indicator=line.status,
        adjustment_reasons=() if is_packaged else CONTRACTUAL,
        care_team=(1,),
        amounts={
            Amount.REVENUE_RATE: share.allowed,
            Amount.REVENUE_CHARGE: in_cents(line.charge * units * history.price_level),
            Amount.REVENUE_NONCOVERED: NOTHING,
            Amount.REVENUE_BLOOD_DEDUCTIBLE: NOTHING,
            Amount.REVENUE_DEDUCTIBLE: share.deductible,
            Amount.REVENUE_COINSURANCE: share.coinsurance,
            Amount.REVENUE_REDUCED_COINSURANCE: NOTHING,
            Amount.REVENUE_FIRST_PAYER_PAYMENT: NOTHING,
            Amount.REVENUE_SECOND_PAYER_PAYMENT: NOTHING,
            Amount.REVENUE_PROVIDER_PAYMENT: share.payment,
            Amount.REVENUE_BENEFICIARY_PAYMENT: NOTHING,
            Amount.REVENUE_PATIENT_RESPONSIBILITY: share.deductible + share.coinsurance,
            Amount.REVENUE_PAYMENT: share.payment,
        },
    )


def _amounts(lines: tuple[RevenueLine, ...]) -> dict[Amount, Decimal]:
    """The claim's amounts: the sums of its lines', the last of which is a sum already."""

    def total(amount: Amount) -> Decimal:
        return sum((line.amounts[amount] for line in lines[:-1]), NOTHING)

    return {
        Amount.CLAIM_CHARGE: lines[-1].amounts[Amount.REVENUE_CHARGE],
        Amount.PRIMARY_PAYER_PAYMENT: NOTHING,
        Amount.BLOOD_DEDUCTIBLE: NOTHING,
        Amount.PROFESSIONAL_COMPONENT: NOTHING,
        Amount.PART_B_DEDUCTIBLE: total(Amount.REVENUE_DEDUCTIBLE),
        Amount.PART_B_COINSURANCE: total(Amount.REVENUE_COINSURANCE),
        Amount.OUTPATIENT_PROVIDER_PAYMENT: total(Amount.REVENUE_PROVIDER_PAYMENT),
        Amount.OUTPATIENT_BENEFICIARY_PAYMENT: NOTHING,
    }


def _care_team(history: History, visit: Visit) -> tuple[CareTeamMember, ...]:
    """Who performed the lines comes first."""
    if visit.is_emergency:
        clinician = history.clinician(EMERGENCY_PHYSICIAN)
    elif visit is CODES.dialysis:
        clinician = history.clinician(NEPHROLOGIST)
    else:
        clinician = history.physician
    return CareTeamMember(clinician, CareRole.PERFORMING), CareTeamMember(clinician, CareRole.ATTENDING)


def _diagnoses(history: History, visit: Visit, random: Random) -> tuple[Diagnosis, ...]:
    """Why the person came; a complaint that has become the principal diagnosis is said to be the reason too."""
    own = [condition.code for condition in history.conditions]
    reasons = [code for code in own if code in visit.needs] or list(visit.diagnoses) or own
    principal = random.choice(reasons or [each.code for each in CODES.complaints])
    others = random.sample(own, min(len(own), random.randint(0, 3)))
    if random.random() < SENSITIVE_SHARE:
        others.append(random.choice(CODES.sensitive.diagnoses))
    found = diagnoses(principal, others, rest=DiagnosisType.OTHER)
    if not visit.is_emergency:
        return found
    first = replace(found[0], types=(DiagnosisType.PRINCIPAL, DiagnosisType.REASON_FOR_VISIT))
    return (first, *found[1:])
