"""Who a synthetic person is and which parts of Medicare they have, as far as is known on a day. Pure."""

import calendar
import datetime as dt
from collections.abc import Iterator

from exports.intake.generator.history import History
from exports.records import CoveragePeriod, EnrollmentMonth, Person, ReferenceYear
from exports.vocabulary import Part

# On this day the MBI became the only number of Medicare.
MBI_TRANSITION = dt.date(2020, 1, 1)
# Why a person is entitled now, by their Medicare status.
CURRENT_ENTITLEMENT = {"10": "0", "11": "2", "20": "1", "21": "3", "31": "2"}
DIED = "1"
NOT_ENROLLED = "00"


def person(history: History, known_date: dt.date) -> Person:
    """The person's facts; a death after the day is not known yet."""
    made_up = history.person
    start_date = min(made_up.part_a_start_date, made_up.part_b_start_date)
    return Person(
        # Any MBI has another number in base 36, so no two people share one.
        beneficiary_id=-int(made_up.mbi, 36),
        mbi=made_up.mbi,
        mbi_start_date=max(MBI_TRANSITION, start_date),
        given_names=tuple(name for name in (made_up.given_name, made_up.middle_name) if name),
        family_name=made_up.family_name,
        birth_date=made_up.birth_date,
        death_date=_death_date(history, known_date),
        sex=made_up.sex,
        race=made_up.race,
        address_lines=(made_up.address_line,) if made_up.address_line else (),
        city=made_up.city,
        state=made_up.state,
        zip_code=made_up.zip_code,
        medicare_status=made_up.medicare_status,
        original_entitlement=made_up.original_entitlement,
        current_entitlement=CURRENT_ENTITLEMENT.get(made_up.medicare_status, made_up.original_entitlement),
        has_esrd=history.has_esrd,
        reference_year=ReferenceYear(known_date.year, tuple(_months(history, known_date))),
    )


def coverage(history: History, known_date: dt.date) -> tuple[CoveragePeriod, ...]:
    """Parts A, B and D, each if it has begun; a person of fee-for-service Medicare has no Part C."""
    died = _death_date(history, known_date)
    return tuple(
        CoveragePeriod(part, start_date, died, DIED) if died else CoveragePeriod(part, start_date)
        for part in (Part.A, Part.B, Part.D)
        if (start_date := history.start_date(part)) and start_date <= known_date
    )


def _death_date(history: History, known_date: dt.date) -> dt.date | None:
    died = history.person.death_date
    return died if died and died <= known_date else None


def _months(history: History, known_date: dt.date) -> Iterator[EnrollmentMonth]:
    """The months of the day's year, up to the day's."""
    for month in range(1, known_date.month + 1):
        last_day = dt.date(known_date.year, month, calendar.monthrange(known_date.year, month)[1])
        yield _month(history, last_day.replace(day=1), last_day)


def _month(history: History, first_day: dt.date, last_day: dt.date) -> EnrollmentMonth:
    has_a, has_b, has_d = (_has(history, part, first_day, last_day) for part in (Part.A, Part.B, Part.D))
    entitled = has_a + 2 * has_b
    buy_in = ("0ABC" if history.has_subsidy else "0123")[entitled]
    dual_status = history.person.dual_status if entitled else NOT_ENROLLED
    return EnrollmentMonth(dual_status, buy_in, history.plan if has_d else None)


def _has(history: History, part: Part, first_day: dt.date, last_day: dt.date) -> bool:
    """Whether the person had a part of Medicare on any day of a month."""
    start_date, died = history.start_date(part), history.person.death_date
    return start_date is not None and start_date <= last_day and (died is None or first_day <= died)
