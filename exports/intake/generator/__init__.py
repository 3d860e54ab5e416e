"""Synthetic claims of synthetic beneficiaries. The same seed and beneficiary give the same claims everywhere. Pure."""

import datetime as dt
from collections.abc import Iterator

from attribution.synthetic import SyntheticPerson
from exports.intake.generator import carrier, enrollment, inpatient, outpatient, partially_adjudicated, prescriptions
from exports.intake.generator.billing import LONGEST_WAY, claims_of
from exports.intake.generator.cost_sharing import Ledger
from exports.intake.generator.history import History
from exports.records import BeneficiaryRecord, Claim


def beneficiary_record(
    person: SyntheticPerson, *, seed: int, start_date: dt.date, end_date: dt.date, with_partial_claims: bool = False
) -> BeneficiaryRecord:
    """What Medicare came to know of a person in [start_date, end_date), about a dozen claims a year.

    A claim belongs to the day on which the claims history recorded it, some weeks after the service; so a record
    never tells of the future, and the next one, from `end_date` on, brings the late claims and repeats none. The
    person and the coverage are as they are known on the last day.

    Partially adjudicated claims, where they are wanted, are those whose status changed in that time and at most
    60 days before its end. The next record brings the same claim again when it has come further.
    """
    history = History(person, seed)
    known_date = end_date - dt.timedelta(days=1)
    years = range((start_date - LONGEST_WAY).year, known_date.year + 1)
    billed = list(_claims(history, years))
    claims = [claim for claim in billed if start_date <= claim.recorded_date < end_date]
    on_their_way = partially_adjudicated.partial_claims(
        history, billed if with_partial_claims else (), start_date=start_date, end_date=end_date
    )
    return BeneficiaryRecord(
        person=enrollment.person(history, known_date),
        coverage=enrollment.coverage(history, known_date),
        claims=tuple(sorted(claims, key=lambda claim: (claim.through_date, -claim.claim_id))),
        partial_claims=tuple(sorted(on_their_way, key=lambda claim: (claim.through_date, -claim.claim_id))),
    )


def _claims(history: History, years: range) -> Iterator[Claim]:
    """Return all claims of calendar years. A year is always made as a whole, whatever part of it is needed."""
    earlier = inpatient.stays(history, years.start - 1)
    for year in years:
        now = inpatient.stays(history, year)
        events = [
            *inpatient.events(history, earlier=earlier, now=now),
            *outpatient.events(history, year, now),
            *carrier.events(history, year, now),
            *prescriptions.events(history, year, now),
        ]
        yield from claims_of(history, Ledger(year, has_subsidy=history.has_subsidy), events)
        earlier = now
