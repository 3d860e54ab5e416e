"""Hospital stays of a synthetic person, from templates of episodes. Pure."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from random import Random

from exports.intake.generator.billing import SENSITIVE_SHARE, Event, Processing
from exports.intake.generator.code_lists import CODES, Episode, StayLine
from exports.intake.generator.cost_sharing import NOTHING, Ledger, in_cents, inpatient_payment
from exports.intake.generator.history import Draw, History, pick, poisson
from exports.records import Admission, CareTeamMember, Diagnosis, InstitutionalClaim, Procedure, RevenueLine
from exports.vocabulary import Amount, CareRole, ClaimKind, Coded, DiagnosisType, Part

# Dollars for a stay of a diagnosis related group of weight 1, and the hospital's charges for each of them.
OPERATING_RATE = Decimal(6_500)
CAPITAL_RATE = Decimal(500)
CHARGES = Decimal(4)
TEACHING_ADD_ON = Decimal("0.06")
POOR_PATIENTS_ADD_ON = Decimal("0.03")
# A stay that begins so long after the last one begins a new benefit period, with a deductible of its own.
BENEFIT_PERIOD = dt.timedelta(days=60)

TRANSFUSION, PINTS = "30233N1", 2
DIES_IN_HOSPITAL = 0.4
HOSPITALIST, SURGEON, ANESTHESIOLOGIST = "C6", "02", "05"
DIED, WENT_HOME = "20", "01"
# Codes that need no word on whether they were present on admission: external causes and the patient's own history.
EXEMPT = ("W", "Y", "Z")


@dataclass(frozen=True, slots=True)
class Stay:
    episode: Episode
    start_date: dt.date
    end_date: dt.date
    draw: Draw
    has_died: bool = False


def stays(history: History, year: int) -> list[Stay]:
    """The stays that begin and end in a calendar year, in order, none within another."""
    found: list[Stay] = []
    for stay in _candidates(history, year):
        nights_apart = all(stay.end_date < other.start_date or other.end_date < stay.start_date for other in found)
        if nights_apart and stay.end_date.year == year and history.is_covered(Part.A, stay.start_date):
            found.append(stay)
    return sorted(found, key=lambda stay: stay.start_date)


def _candidates(history: History, year: int) -> Iterator[Stay]:
    """The stay in which the person dies, if so; then those that they leave alive."""
    random = history.draw("inpatient", year).random()
    died = history.person.death_date
    if died and died.year == year and random.random() < DIES_IN_HOSPITAL:
        yield _last_stay(history, died)
    mean = 0.07 + 0.05 * len(history.conditions) + 0.3 * history.has_esrd
    for ordinal in range(poisson(random, mean)):
        stay = _stay(history, history.draw("inpatient", year, ordinal), year)
        if died is None or stay.end_date < died:
            yield stay


def is_inpatient(stays: list[Stay], day: dt.date) -> bool:
    return any(stay.start_date <= day <= stay.end_date for stay in stays)


def _stay(history: History, draw: Draw, year: int) -> Stay:
    random = draw.random("stay")
    episode = _episode(history, random)
    start_date = dt.date(year, 1, 1) + dt.timedelta(days=random.randrange(365))
    return Stay(episode, start_date, start_date + dt.timedelta(days=random.randint(*episode.stay)), draw)


def _last_stay(history: History, died: dt.date) -> Stay:
    draw = history.draw("inpatient", died.year, "last")
    random = draw.random("stay")
    episode = pick(random, CODES.episodes[:3], (3, 4, 2))  # heart failure, sepsis, pneumonia
    nights = min(random.randint(*episode.stay), died.timetuple().tm_yday - 1)
    return Stay(episode, died - dt.timedelta(days=nights), died, draw, has_died=True)


def _episode(history: History, random: Random) -> Episode:
    """An episode, likelier where the person has one of its conditions."""
    if random.random() < SENSITIVE_SHARE:
        return CODES.sensitive.episode
    weights = [
        each.weight * (3 if history.condition_codes.intersection(each.diagnoses) else 1) for each in CODES.episodes
    ]
    return pick(random, CODES.episodes, weights)


def events(history: History, *, earlier: list[Stay], now: list[Stay]) -> Iterator[Event]:
    """The bills of a year's stays; `earlier` are those of the year before."""
    last_end = max((stay.end_date for stay in earlier), default=dt.date.min)
    for stay in now:
        is_new_period = stay.start_date - last_end > BENEFIT_PERIOD
        last_end = stay.end_date
        yield Event(stay.start_date, partial(_bill, history, stay, is_new_period=is_new_period))


def _bill(history: History, stay: Stay, ledger: Ledger, *, is_new_period: bool) -> InstitutionalClaim:
    random = stay.draw.random()
    episode = stay.episode
    drg = pick(random, episode.drgs, range(len(episode.drgs), 0, -1))
    group = CODES.drgs[drg]
    amounts, payment = _amounts(history, group.weight, ledger.year.part_a_deductible if is_new_period else NOTHING)
    lines = _lines(stay, random, amounts[Amount.CLAIM_CHARGE])
    processing = Processing.after(stay.end_date, random, days=(14, 49))
    nights = (stay.end_date - stay.start_date).days
    return InstitutionalClaim(
        kind=ClaimKind.INPATIENT,
        claim_id=stay.draw.claim_id,
        group_id=stay.draw.group_id,
        from_date=stay.start_date,
        through_date=stay.end_date,
        processed_date=processing.processed_date,
        recorded_date=processing.recorded_date,
        payment=payment,
        amounts=amounts,
        care_team=_care_team(history, episode),
        diagnoses=_diagnoses(history, episode, random),
        nch_type="60",
        control_number=stay.draw.control_number,
        contractor=history.contractor,
        facility=history.hospital,
        facility_type="1",
        classification="1",
        frequency="1",
        query_code="3",
        action_code="1",
        discharge_status=DIED if stay.has_died else WENT_HOME,
        patient_status="B" if stay.has_died else "A",
        managed_care_paid="0",
        blood_pints=PINTS if TRANSFUSION in episode.procedures else 0,
        admission=Admission(
            start_date=stay.start_date,
            end_date=stay.end_date,
            priority="3" if episode.is_elective else pick(random, "12", (85, 15)),
            origin="2" if episode.is_elective else pick(random, "124", (82, 12, 6)),
            drg=Coded(drg, group.display),
            drg_weight=group.weight,
            covered_days=max(nights, 1),
            pps_indicator="2",
        ),
        procedures=_procedures(stay, random),
        lines=lines,
    )


def _amounts(history: History, weight: Decimal, deductible: Decimal) -> tuple[dict[Amount, Decimal], Decimal]:
    """The amounts of a claim, and what Medicare pays of them."""
    operating = in_cents(weight * OPERATING_RATE * history.price_level)
    capital = in_cents(weight * CAPITAL_RATE * history.price_level)
    is_teaching = history.hospital.npi[-2] in "024"
    teaching = TEACHING_ADD_ON if is_teaching else NOTHING
    education, capital_education = in_cents(operating * teaching), in_cents(capital * teaching)
    share, capital_share = in_cents(operating * POOR_PATIENTS_ADD_ON), in_cents(capital * POOR_PATIENTS_ADD_ON)
    uncompensated = Decimal(120 + 20 * int(history.hospital.npi[-2])).quantize(NOTHING)
    total_capital = capital + capital_education + capital_share
    priced = operating + education + share + uncompensated + total_capital
    deductible = min(deductible.quantize(NOTHING), priced)
    return {
        Amount.CLAIM_CHARGE: in_cents(priced * CHARGES),
        Amount.PRIMARY_PAYER_PAYMENT: NOTHING,
        Amount.BLOOD_DEDUCTIBLE: NOTHING,
        Amount.PROFESSIONAL_COMPONENT: NOTHING,
        Amount.PER_DIEM: NOTHING,
        Amount.INPATIENT_DEDUCTIBLE: deductible,
        Amount.INPATIENT_COINSURANCE: NOTHING,
        Amount.INPATIENT_NONCOVERED: NOTHING,
        Amount.INPATIENT_DEDUCTIONS: deductible,
        Amount.CAPITAL: total_capital,
        Amount.CAPITAL_DISPROPORTIONATE_SHARE: capital_share,
        Amount.CAPITAL_EXCEPTION: NOTHING,
        Amount.CAPITAL_FEDERAL: capital,
        Amount.CAPITAL_MEDICAL_EDUCATION: capital_education,
        Amount.CAPITAL_OUTLIER: NOTHING,
        Amount.CAPITAL_HOLD_HARMLESS: NOTHING,
        Amount.OUTLIER_PAYMENT: NOTHING,
        Amount.MEDICAL_EDUCATION: education,
        Amount.UNCOMPENSATED_CARE: uncompensated,
        Amount.DISPROPORTIONATE_SHARE: share,
    }, inpatient_payment(priced, deductible)


def _lines(stay: Stay, random: Random, charge: Decimal) -> tuple[RevenueLine, ...]:
    """Revenue lines that share out the whole charge, and the line that totals them."""
    nights = max((stay.end_date - stay.start_date).days, 1)
    kept = [line for line in CODES.stay_lines if _applies(line, stay.episode) and random.random() * 100 < line.likely]
    parts = [line.share * random.uniform(0.7, 1.3) for line in kept]
    charges = [in_cents(charge * Decimal(part / sum(parts))) for part in parts]
    charges[0] += charge - sum(charges)
    lines = [
        _line(number, line, Decimal(nights if line.is_daily else 1), amount)
        for number, (line, amount) in enumerate(zip(kept, charges, strict=True), 1)
    ]
    return (*lines, _line(len(lines) + 1, StayLine(revenue="0001", share=100), Decimal(0), charge))


def _applies(line: StayLine, episode: Episode) -> bool:
    match line.when:
        case "surgical":
            return episode.is_surgical
        case "transfusion":
            return TRANSFUSION in episode.procedures
        case "unplanned":
            return not episode.is_elective
    return True


def _line(number: int, line: StayLine, units: Decimal, charge: Decimal) -> RevenueLine:
    return RevenueLine(
        number=number,
        revenue_center=line.revenue,
        hcpcs=Coded(line.hcpcs, line.display) if line.hcpcs else None,
        units=units,
        service_date=None,
        cost_share_code="3",
        care_team=(1,),
        amounts={
            Amount.REVENUE_RATE: in_cents(charge / units) if line.is_daily else NOTHING,
            Amount.REVENUE_CHARGE: charge,
            Amount.REVENUE_NONCOVERED: NOTHING,
        },
    )


def _care_team(history: History, episode: Episode) -> tuple[CareTeamMember, ...]:
    """Who performed the lines comes first."""
    hospitalist = history.clinician(HOSPITALIST)
    team = [CareTeamMember(hospitalist, CareRole.PERFORMING), CareTeamMember(hospitalist, CareRole.ATTENDING)]
    if episode.is_surgical:
        surgeon = history.clinician(episode.follow_up_specialty if episode.has_injury else SURGEON)
        team.append(CareTeamMember(surgeon, CareRole.OPERATING))
        team.append(CareTeamMember(history.clinician(ANESTHESIOLOGIST), CareRole.OTHER_OPERATING))
    return tuple(team)


def _diagnoses(history: History, episode: Episode, random: Random) -> tuple[Diagnosis, ...]:
    """The admitting and the principal diagnosis (one entry where they are the same), others, external causes."""
    principal, *others = episode.diagnoses
    own = [condition.code for condition in history.conditions]
    admitting = episode.admitting or principal
    types = {admitting: [DiagnosisType.ADMITTING]}
    types.setdefault(principal, []).append(DiagnosisType.PRINCIPAL)
    for code in [*others[: random.randint(1, 3)], *random.sample(own, min(len(own), random.randint(0, 4)))]:
        types.setdefault(code, [DiagnosisType.OTHER])
    for code in episode.external_causes:
        types[code] = [DiagnosisType.EXTERNAL_CAUSE]
    return tuple(
        Diagnosis(
            code,
            tuple(kinds),
            display=CODES.diagnoses.get(code, ""),
            present_on_admission="" if kinds == [DiagnosisType.ADMITTING] else _present(code, kinds, random),
        )
        for code, kinds in types.items()
    )


def _present(code: str, kinds: list[DiagnosisType], random: Random) -> str:
    if code.startswith(EXEMPT):
        return "1"
    return "Y" if DiagnosisType.PRINCIPAL in kinds else pick(random, "YNUW", (92, 6, 1, 1))


def _procedures(stay: Stay, random: Random) -> tuple[Procedure, ...]:
    nights = (stay.end_date - stay.start_date).days
    return tuple(
        Procedure(
            code,
            stay.start_date + dt.timedelta(days=random.randint(0, min(2, nights))),
            is_principal=place == 0,
            display=CODES.procedures[code],
        )
        for place, code in enumerate(stay.episode.procedures)
    )
