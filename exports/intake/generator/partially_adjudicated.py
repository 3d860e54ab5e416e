"""Claims on their way through the systems that pay them, FISS and MCS, some days before the history has them. Pure.

Each tells the same story as the claim that comes of it: person, provider, days, codes, control number. A few bills come
twice, and the second is thrown out again: nothing comes of it.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from random import Random

from exports.intake.generator.history import Draw, History
from exports.records import (
    Claim,
    Diagnosis,
    InstitutionalClaim,
    PartialClaim,
    PartialInstitutionalClaim,
    PartialProfessionalClaim,
    PartialRevenueLine,
    PartialServiceLine,
    ProfessionalClaim,
    Provider,
)
from exports.vocabulary import Amount, DiagnosisType

Bill = InstitutionalClaim | ProfessionalClaim

# A claim is shown until so long after its status last changed.
RETENTION = dt.timedelta(days=60)
# The part of bills that come twice.
TWICE_SHARE = 0.02
# So long before a corrected claim is paid, the bill that it replaces was rejected; the new bill is sent a little later.
REJECTED_BEFORE, SENT_BEFORE = dt.timedelta(days=18), dt.timedelta(days=14)
REPLACES, REPLACEMENT = "7", "5"
DENIED = "0"
# Like drugs, equipment is paid through another system, whose claims are not shown.
EQUIPMENT = "dme"
TOLD_APART = frozenset({DiagnosisType.ADMITTING, DiagnosisType.PRINCIPAL})
# A physician's claim and a physician's practice, as BCDA's sandbox has them.
CLAIM_TYPE, PROVIDER_TYPE = "3", "20"


@dataclass(frozen=True, slots=True)
class StatusStep:
    """A status that a claim came to, and the day from which it is known."""

    known_date: dt.date
    status: str
    status_date: dt.date
    is_grouped: bool = True  # by diagnosis, where that is done


@dataclass(frozen=True, slots=True)
class Submission:
    """A bill, and what was done with it, in the order of days."""

    draw: Draw
    control_number: str
    received_date: dt.date
    steps: tuple[StatusStep, ...]


def partial_claims(
    history: History, claims: Iterable[Claim], *, start_date: dt.date, end_date: dt.date
) -> Iterator[PartialClaim]:
    """The bills behind `claims` whose last step before `end_date` was known in [start_date, end_date), as it left them.

    Those that have rested for longer than the retention are left out.
    """
    start_date = max(start_date, end_date - RETENTION)
    for claim in claims:
        if not isinstance(claim, Bill) or claim.kind.value == EQUIPMENT or claim.processed_date < start_date:
            continue
        for submission in _submissions(history, claim):
            known = [step for step in submission.steps if step.known_date < end_date]
            if known and known[-1].known_date >= start_date:
                yield _as_known(claim, submission, known[-1])


def _submissions(history: History, claim: Bill) -> Iterator[Submission]:
    """The bill; for a few, another that came after it, and was thrown out when the first was paid."""
    draw = history.draw("submission", claim.claim_id)
    yield _submission(claim, draw, control_number=claim.control_number, last_status=_last_status(claim))
    again = history.draw("submission", claim.claim_id, "again")
    if again.chance < TWICE_SHARE:
        yield _submission(claim, again, control_number=again.control_number, last_status="R")


def _submission(claim: Bill, draw: Draw, *, control_number: str, last_status: str) -> Submission:
    """A bill that is received some days after the service, seen two to four days later, then looked at, and paid."""
    last_date = claim.processed_date if claim.is_final else claim.processed_date - REJECTED_BEFORE
    sent_date = claim.processed_date - SENT_BEFORE if _is_replacement(claim) else claim.through_date
    received_date, seen_date = _received(draw.random(), sent_date, last_date)
    looked_at_date = seen_date + dt.timedelta(days=1 + (last_date - seen_date).days // 3)
    first_status, second_status = ("A", "S") if isinstance(claim, InstitutionalClaim) else ("B", "C")
    steps = (
        StatusStep(seen_date, first_status, received_date, is_grouped=False),
        StatusStep(looked_at_date, second_status, looked_at_date),
        StatusStep(last_date, last_status, last_date),
    )
    return Submission(draw, control_number, received_date, steps)


def _is_replacement(claim: Bill) -> bool:
    if isinstance(claim, InstitutionalClaim):
        return claim.frequency == REPLACES
    return claim.entry_code == REPLACEMENT


def _last_status(claim: Bill) -> str:
    """Rejected or voided where another claim has taken its place; or denied; or paid."""
    if isinstance(claim, InstitutionalClaim):
        return "R" if not claim.is_final else "D" if claim.nonpayment_reason else "P"
    return "Z" if not claim.is_final else "E" if claim.payment_denial == DENIED else "D"


def _received(random: Random, sent_date: dt.date, last_date: dt.date) -> tuple[dt.date, dt.date]:
    days = (last_date - sent_date).days  # five at least
    received = random.randint(1, max(1, days // 4))
    seen = min(received + random.randint(2, 4), days - 2)
    return sent_date + dt.timedelta(days=received), sent_date + dt.timedelta(days=seen)


def _as_known(claim: Bill, submission: Submission, step: StatusStep) -> PartialClaim:
    if isinstance(claim, InstitutionalClaim):
        return _institutional(claim, submission, step)
    return _professional(claim, submission, step)


def _institutional(claim: InstitutionalClaim, submission: Submission, step: StatusStep) -> PartialInstitutionalClaim:
    admission = claim.admission
    return PartialInstitutionalClaim(
        claim_id=submission.draw.claim_id,
        control_number=submission.control_number,
        status=step.status,
        status_date=step.status_date,
        received_date=submission.received_date,
        from_date=claim.from_date,
        through_date=claim.through_date,
        charge=claim.amounts[Amount.CLAIM_CHARGE],
        provider=claim.facility,
        diagnoses=tuple(_diagnosis(diagnosis) for diagnosis in claim.diagnoses),
        is_samhsa=claim.is_samhsa,
        facility_type=claim.facility_type,
        classification=claim.classification,
        frequency=claim.frequency,
        admission_priority=admission.priority if admission else "",
        drg=admission.drg if admission and step.is_grouped else None,
        procedures=claim.procedures,
        lines=tuple(
            PartialRevenueLine(
                number=line.number,
                hcpcs=line.hcpcs,
                modifiers=line.modifiers,
                revenue_center=line.revenue_center,
                units_billed=line.units,
                units_served=line.units,
                service_date=line.service_date,
            )
            for line in claim.lines
        ),
    )


def _professional(claim: ProfessionalClaim, submission: Submission, step: StatusStep) -> PartialProfessionalClaim:
    return PartialProfessionalClaim(
        claim_id=submission.draw.claim_id,
        control_number=submission.control_number,
        status=step.status,
        status_date=step.status_date,
        received_date=submission.received_date,
        from_date=claim.from_date,
        through_date=claim.through_date,
        charge=claim.amounts[Amount.CLAIM_CHARGE],
        provider=Provider(npi=claim.billing_npi, specialty=claim.lines[0].performer.specialty),
        diagnoses=tuple(replace(diagnosis, types=()) for diagnosis in claim.diagnoses),
        is_samhsa=claim.is_samhsa,
        claim_type=CLAIM_TYPE,
        provider_type=PROVIDER_TYPE,
        lines=tuple(
            PartialServiceLine(
                number=line.number,
                hcpcs=line.hcpcs,
                modifiers=line.modifiers,
                from_date=line.from_date,
                through_date=line.through_date,
                diagnoses=line.diagnoses,
            )
            for line in claim.lines
        ),
    )


def _diagnosis(diagnosis: Diagnosis) -> Diagnosis:
    return replace(diagnosis, types=tuple(kind for kind in diagnosis.types if kind in TOLD_APART))
