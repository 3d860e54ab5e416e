"""Decides which claims are about substance use disorder, and so under 42 CFR Part 2. Pure.

The list is CMS's own (substance_use.json, from the code of its Beneficiary FHIR Data server, public domain). A code
has a meaning only in its system: 291 is an alcohol-induced mental disorder in ICD-9-CM, and heart failure among the
diagnosis related groups. And only in its time: group 522 was about drug abuse until October 2007 and is a hip
replacement today.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

import msgspec

from exports.records import (
    Claim,
    InstitutionalClaim,
    PartialClaim,
    PartialInstitutionalClaim,
    PartialProfessionalClaim,
    PharmacyClaim,
    ProfessionalClaim,
)
from exports.vocabulary import Coded, CodeSystem

# CPT and HCPCS Level II are two lists under the one system that claims use.
_ALIASES = {"cpt": CodeSystem.HCPCS.value}
_WITH_LINES = (InstitutionalClaim, ProfessionalClaim, PartialInstitutionalClaim, PartialProfessionalClaim)


class _Entry(msgspec.Struct, frozen=True):
    """Codes that are listed for services in a range of days, both included."""

    system: str
    codes: tuple[str, ...]
    from_: dt.date = msgspec.field(name="from", default=dt.date.min)
    to: dt.date = dt.date.max


@dataclass(frozen=True, slots=True)
class _Window:
    first: dt.date
    last: dt.date


def _normalized(code: str) -> str:
    return code.strip().replace(".", "").upper()


def _read() -> dict[str, dict[str, list[_Window]]]:
    """System -> code -> when it is listed."""
    entries = msgspec.json.decode(files(__package__).joinpath("substance_use.json").read_bytes(), type=list[_Entry])
    listed: dict[str, dict[str, list[_Window]]] = {system.value: {} for system in CodeSystem}
    for entry in entries:
        codes = listed[_ALIASES.get(entry.system, entry.system)]
        for code in entry.codes:
            codes.setdefault(_normalized(code), []).append(_Window(entry.from_, entry.to))
    return listed


_LISTED = _read()


def is_listed(system: str, code: str, service_date: dt.date) -> bool:
    """Return whether a code is about substance use disorder. A code of an unknown system counts as one."""
    codes = _LISTED.get(system)
    if codes is None:
        return True
    return any(window.first <= service_date <= window.last for window in codes.get(_normalized(code), ()))


def is_samhsa(claim: Claim | PartialClaim) -> bool:
    """Return whether a claim can't be disclosed: any of its codes is listed on its last day. Drugs are not checked."""
    if isinstance(claim, PharmacyClaim):
        return False
    return any(is_listed(system, code, claim.through_date) for system, code in _codes(claim))


def _codes(claim: Claim | PartialClaim) -> Iterator[tuple[str, str]]:
    for diagnosis in claim.diagnoses:
        yield diagnosis.system, diagnosis.code
    if isinstance(claim, InstitutionalClaim | PartialInstitutionalClaim):
        for procedure in claim.procedures:
            yield procedure.system, procedure.code
        if drg := _drg(claim):
            yield CodeSystem.MS_DRG, drg.code
    if isinstance(claim, _WITH_LINES):
        for line in claim.lines:
            if line.hcpcs:
                yield CodeSystem.HCPCS, line.hcpcs.code


def _drg(claim: InstitutionalClaim | PartialInstitutionalClaim) -> Coded | None:
    if isinstance(claim, PartialInstitutionalClaim):
        return claim.drg
    return claim.admission.drg if claim.admission else None
