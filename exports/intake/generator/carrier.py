"""What physicians and suppliers bill for a synthetic person. Pure.

Level II of HCPCS only: wellness visits, vaccines, injections, ambulances, … The visits that CPT codes stand for are
told by G2211, which goes with them.
"""

import calendar
import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from random import Random

from exports.intake.generator.billing import SENSITIVE_SHARE, Event, Processing, diagnoses
from exports.intake.generator.code_lists import CODES, SERVICES, Service
from exports.intake.generator.cost_sharing import NOTHING, Ledger, in_cents
from exports.intake.generator.history import Draw, History, pick, poisson
from exports.intake.generator.inpatient import Stay, is_inpatient
from exports.records import CareTeamMember, LabResult, ProfessionalClaim, Provider, ServiceLine
from exports.vocabulary import Amount, CareRole, ClaimKind, Coded, DiagnosisType, Part

EMERGENCY_AMBULANCE = SERVICES["A0427"]
FOLLOW_UP = SERVICES["G2211"]
MONTHS = range(1, 13)
CHARGES = Decimal("2.5")
COMES_BY_AMBULANCE = 0.5
BILLED_ALONG = 0.4
LABORATORY = "81"
MILEAGE = "A0425"
MILES, SERVICE = "1", "3"
# What is done because another doctor asked for it: laboratories, imaging, therapy.
ON_REFERRAL = frozenset({"4", "5", "W"})


@dataclass(frozen=True, slots=True)
class Appointment:
    """A service on a day, and for what."""

    service: Service
    day: dt.date
    reasons: tuple[str, ...]
    draw: Draw
    specialty: str = ""  # whose it is to be; empty: any that the service is of


def events(history: History, year: int, stays: list[Stay]) -> Iterator[Event]:
    """The bills of a year: visits outside of the hospital, the ambulance there, and who was seen afterwards."""
    for appointment in [*_around(history, year, stays), *_visits(history, year, stays)]:
        if history.is_covered(Part.B, appointment.day):
            yield Event(appointment.day, partial(_bill, history, appointment))


def _around(history: History, year: int, stays: list[Stay]) -> Iterator[Appointment]:
    """The ambulance that brings a person to hospital, and the specialist who sees them a week or two after it."""
    for stay in stays:
        random = stay.draw.random("around")
        reasons = stay.episode.diagnoses[:1]
        if not stay.episode.is_elective and random.random() < COMES_BY_AMBULANCE:
            draw = history.draw("ambulance", stay.draw.claim_id)
            yield Appointment(EMERGENCY_AMBULANCE, stay.start_date, (stay.episode.admitting or reasons[0],), draw)
        seen = stay.end_date + dt.timedelta(days=random.randint(7, 14))
        specialty = stay.episode.follow_up_specialty
        if specialty and not is_inpatient(stays, seen) and seen.year == year >= FOLLOW_UP.first_year:
            yield Appointment(FOLLOW_UP, seen, reasons, history.draw("follow-up", stay.draw.claim_id), specialty)


def _visits(history: History, year: int, stays: list[Stay]) -> Iterator[Appointment]:
    random = history.draw("carrier", year).random()
    services = [service for service in CODES.services if _fits(service, history, year)]
    weights = [service.weight for service in services]
    once: set[str] = set()
    for ordinal in range(poisson(random, 2.0 + 0.8 * len(history.conditions))):
        service = pick(random, services, weights)
        if random.random() < SENSITIVE_SHARE:
            service = random.choice(CODES.sensitive.services)
        month = random.choice(service.months or MONTHS)
        day = dt.date(year, month, random.randint(1, calendar.monthrange(year, month)[1]))
        if service.code in once or is_inpatient(stays, day):
            continue
        if service.once_a_year:
            once.add(service.code)
        yield Appointment(service, day, _reasons(history, service, random), history.draw("carrier", year, ordinal))


def _fits(service: Service, history: History, year: int) -> bool:
    has_need = not service.needs or not history.condition_codes.isdisjoint(service.needs)
    return has_need and service.sex in ("", history.person.sex) and service.first_year <= year


def _reasons(history: History, service: Service, random: Random) -> tuple[str, ...]:
    """The principal diagnosis, then others that the person has."""
    own = [condition.code for condition in history.conditions]
    fitting = [code for code in own if code in service.needs] or list(service.diagnoses) or own
    principal = random.choice(fitting or [complaint.code for complaint in CODES.complaints])
    return principal, *random.sample(own, min(len(own), random.randint(0, 3)))


def _bill(history: History, appointment: Appointment, ledger: Ledger) -> ProfessionalClaim:
    random = appointment.draw.random()
    performer = _performer(history, appointment, random)
    referring = history.physician if appointment.service.type_of_service in ON_REFERRAL else None
    team = _care_team(history, performer, referring)
    found = diagnoses(appointment.reasons[0], list(appointment.reasons[1:]), rest=DiagnosisType.SECONDARY)
    lines = tuple(
        _line(history, ledger, random, number=number, service=service, day=appointment.day, performer=performer)
        for number, service in enumerate(_services(appointment.service, random), 1)
    )
    amounts = _amounts(lines)
    processing = Processing.after(appointment.day, random, days=(5, 24))
    return ProfessionalClaim(
        kind=ClaimKind.CARRIER,
        claim_id=appointment.draw.claim_id,
        group_id=appointment.draw.group_id,
        from_date=appointment.day,
        through_date=appointment.day,
        processed_date=processing.processed_date,
        recorded_date=processing.recorded_date,
        payment=amounts[Amount.CARRIER_PROVIDER_PAYMENT],
        amounts=amounts,
        care_team=team,
        diagnoses=found,
        nch_type="71",
        control_number=appointment.draw.control_number,
        contractor=history.contractor,
        billing_npi=history.practice.npi,
        entry_code="1",
        disposition="01",
        payment_denial="1",
        assignment="A",
        referring=referring,
        lines=lines,
    )


def _services(first: Service, random: Random) -> list[Service]:
    """What is billed together."""
    joining = [code for code in first.joined_by if random.random() < BILLED_ALONG]
    return [first, *(SERVICES[code] for code in (*first.always_joined_by, *joining))]


def _performer(history: History, appointment: Appointment, random: Random) -> Provider:
    if appointment.specialty:
        return history.clinician(appointment.specialty)
    specialties = appointment.service.specialties
    if history.physician.specialty in specialties:
        return history.physician
    return history.clinician(random.choice(specialties))


def _care_team(history: History, performer: Provider, referring: Provider | None) -> tuple[CareTeamMember, ...]:
    """Who performed the lines comes first, with the practice."""
    team = (
        CareTeamMember(performer, CareRole.PERFORMING, provider_type="1", participation="1"),
        CareTeamMember(history.practice, CareRole.PRIMARY),
    )
    return (*team, CareTeamMember(referring, CareRole.REFERRING)) if referring else team


def _line(
    history: History,
    ledger: Ledger,
    random: Random,
    *,
    number: int,
    service: Service,
    day: dt.date,
    performer: Provider,
) -> ServiceLine:
    units = Decimal(random.randint(*service.units))
    share = ledger.part_b(in_cents(service.allowed * units * history.price_level), is_free=service.is_preventive)
    is_laboratory = service.place == LABORATORY
    result = LabResult(service.hemoglobin, Decimal(random.randint(85, 125)) / 10) if service.hemoglobin else None
    return ServiceLine(
        number=number,
        hcpcs=Coded(service.code, service.display),
        units=units,
        modifiers=service.modifiers,
        care_team=(1, 2),
        diagnoses=(1,),
        from_date=day,
        through_date=day,
        performer=performer,
        place=service.place,
        type_of_service=service.type_of_service,
        betos=service.betos,
        is_deductible_waived=service.is_preventive,
        is_paid_in_full=service.is_preventive,
        unit_kind=MILES if service.code == MILEAGE else SERVICE,
        pricing_locality="01",
        laboratory_number=f"00D{performer.npi[-7:]}" if is_laboratory else "",
        lab_result=result,
        amounts={
            Amount.LINE_PAYMENT: share.payment,
            Amount.LINE_BENEFICIARY_PAYMENT: NOTHING,
            Amount.LINE_PROVIDER_PAYMENT: share.payment,
            Amount.LINE_DEDUCTIBLE: share.deductible,
            Amount.LINE_PRIMARY_PAYER_PAYMENT: NOTHING,
            Amount.LINE_COINSURANCE: share.coinsurance,
            Amount.LINE_SUBMITTED: in_cents(share.allowed * CHARGES),
            Amount.LINE_ALLOWED: share.allowed,
        },
    )


def _amounts(lines: Sequence[ServiceLine]) -> dict[Amount, Decimal]:
    """The claim's amounts: the sums of its lines'."""

    def total(amount: Amount) -> Decimal:
        return sum((line.amounts[amount] for line in lines), NOTHING)

    submitted = total(Amount.LINE_SUBMITTED)
    return {
        Amount.CLAIM_CHARGE: submitted,
        Amount.CARRIER_PRIMARY_PAYER_PAYMENT: NOTHING,
        Amount.CARRIER_DEDUCTIBLE: total(Amount.LINE_DEDUCTIBLE),
        Amount.CARRIER_PROVIDER_PAYMENT: total(Amount.LINE_PROVIDER_PAYMENT),
        Amount.CARRIER_BENEFICIARY_PAYMENT: NOTHING,
        Amount.CARRIER_SUBMITTED: submitted,
        Amount.CARRIER_ALLOWED: total(Amount.LINE_ALLOWED),
    }
