"""Clinicians, hospitals and pharmacies that do not exist: a small pool in each state, the same for everyone. Pure.

None can be mistaken for a real one: no NPI begins with 9, no state has the certification code 00, and no employer has
a tax number that begins with 00.
"""

from functools import cache

from exports.intake.generator.code_lists import CODES
from exports.records import Provider

CLINICIANS_OF_A_SPECIALTY = 12
GROUPS = 12
HOSPITALS = 12
PHARMACIES = 16

_KINDS = ("clinician", "group", "hospital", "pharmacy")
_SPECIALTIES = {specialty.code: (place, specialty.taxonomy) for place, specialty in enumerate(CODES.specialties)}


@cache
def clinician(state: str, state_fips: str, specialty: str, number: int) -> Provider:
    place, taxonomy = _SPECIALTIES[specialty]
    serial = f"{place:02}{number:03}"
    return Provider(
        npi=_npi("clinician", state_fips, serial),
        specialty=specialty,
        taxonomy=taxonomy,
        tax_number=f"00{state_fips}{serial}",
        state=state,
    )


@cache
def group(state: str, state_fips: str, number: int) -> Provider:
    return Provider(npi=_npi("group", state_fips, f"{number:05}"), name=f"Synthetic Medical Group {state} {number + 1}")


@cache
def hospital(state: str, state_fips: str, number: int) -> Provider:
    return Provider(
        npi=_npi("hospital", state_fips, f"{number:05}"),
        name=f"Synthetic Hospital {state} {number + 1}",
        certification_number=f"00{state_fips}{number + 1:02}",
        state=state,
    )


@cache
def pharmacy(state: str, state_fips: str, number: int) -> Provider:
    return Provider(npi=_npi("pharmacy", state_fips, f"{number:05}"), name=f"Synthetic Pharmacy {state} {number + 1}")


def _npi(kind: str, state_fips: str, serial: str) -> str:
    """Ten digits that pass the check and begin with 9."""
    digits = f"9{_KINDS.index(kind)}{state_fips}{serial}"
    return digits + _check_digit(f"80840{digits}")


def _check_digit(digits: str) -> str:
    """Luhn's check digit."""
    doubled = (int(digit) * 2 for digit in digits[::-2])
    plain = (int(digit) for digit in digits[-2::-2])
    total = sum(digit - 9 if digit > 9 else digit for digit in doubled) + sum(plain)  # noqa: PLR2004  # a digit
    return str(-total % 10)
