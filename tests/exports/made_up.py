"""Made-up people and what Medicare came to know of them, for the tests of claims and of FHIR."""

import datetime as dt

from attribution.synthetic import SyntheticPerson
from exports.intake.generator import beneficiary_record
from exports.records import BeneficiaryRecord

SEED = 20261122
START_DATE = dt.date(2023, 11, 22)
END_DATE = dt.date(2026, 11, 22)
LAST_UPDATED = dt.datetime(2026, 11, 22, 5, 30, 15, 123456, tzinfo=dt.UTC)

_STATES = (("NY", "36"), ("IA", "19"), ("CA", "06"), ("TX", "48"))


def person(number: int = 0, **changes) -> SyntheticPerson:
    """Person number 0 to 999: of both sexes, four states, aged and disabled, with and without Part D, some dead."""
    state, state_fips = _STATES[number % 4]
    facts = {
        "mbi": f"1SA{number % 10}EA{number // 10 % 10}AA{number // 100:02}",
        "given_name": f"Vicente{number}",
        "middle_name": "J",
        "family_name": "Posada6",
        "birth_date": dt.date(1938 + number % 20, 1 + number % 12, 1 + number % 28),
        "sex": "12"[number % 2],
        "race": str(number % 7),
        "address_line": "12 Elm Street",
        "city": "Springfield",
        "state": state,
        "state_fips": state_fips,
        "county_fips": "001",
        "zip_code": "12207",
        "medicare_status": "11" if number % 23 == 5 else "20" if number % 9 == 4 else "10",
        "original_entitlement": "1" if number % 9 == 4 else "0",
        "dual_status": "02" if number % 5 == 1 else "NA",
        "part_a_start_date": dt.date(2015, 3, 1),
        "part_b_start_date": dt.date(2025, 7, 1) if number % 13 == 6 else dt.date(2015, 3, 1),
        "has_part_d": number % 10 < 7,
        "death_date": dt.date(2025, 5, 17) if number % 12 == 3 else None,
    }
    return SyntheticPerson(**facts | changes)


def record(
    number: int = 0,
    *,
    seed: int = SEED,
    start_date: dt.date = START_DATE,
    end_date: dt.date = END_DATE,
    with_partial_claims: bool = False,
    **changes,
) -> BeneficiaryRecord:
    return beneficiary_record(
        person(number, **changes),
        seed=seed,
        start_date=start_date,
        end_date=end_date,
        with_partial_claims=with_partial_claims,
    )
