"""The small parts of R4 resources. Pure.

Equal parts are made once and shared between resources, so read a body, but don't change it.
"""

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from functools import cache, lru_cache
from typing import Any

from exports.fhir.common import codes, systems
from exports.records import Provider
from exports.vocabulary import Coded

Element = dict[str, Any]

# Codes repeat, but real claims have many thousands.
_remembered = lru_cache(maxsize=16_384)


@_remembered
def coding(system: str, code: str, display: str | None = None) -> Element:
    return present(system=system, code=code, display=display)


def concept(*codings: Element) -> Element:
    return {"coding": list(codings)}


@cache
def variable(name: str) -> str:
    """Return the URL of one of CMS's data elements."""
    return f"{systems.VARIABLES}/{name}"


@_remembered
def value(name: str, code: str) -> Element:
    """Return a coding: a code as the value of a data element."""
    return coding(variable(name), code, codes.meaning(name, code))


@_remembered
def extension(name: str, code: str) -> Element:
    """Return an extension with a coded data element."""
    return {"url": variable(name), "valueCoding": value(name, code)}


def identifier_extension(name: str, identifier: str) -> Element:
    """Return an extension with a data element that is an identifier."""
    url = variable(name)
    return {"url": url, "valueIdentifier": {"system": url, "value": identifier}}


def quantity_extension(name: str, quantity: Decimal) -> Element:
    """Return an extension with a data element that is a count."""
    return {"url": variable(name), "valueQuantity": {"value": quantity}}


def extensions(**coded: str) -> list[Element]:
    """Return extensions with coded data elements, without those whose code is unknown."""
    return [extension(name, code) for name, code in coded.items() if code]


def money(amount: Decimal) -> Element:
    return {"value": amount, "currency": "USD"}


def instant(moment: dt.datetime) -> str:
    """Return a time as a FHIR instant. Raises ValueError if it has no time zone."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone, so it is no instant.")
    return moment.isoformat(timespec="microseconds")


def midnight(day: dt.date) -> str:
    """Return a day as a dateTime, for readers that expect a time."""
    return f"{day}T00:00:00+00:00"


def period(start: dt.date, end: dt.date | None) -> Element:
    return present(start=start, end=end)


def npi_identifier(npi: str) -> Element:
    return {"type": NPI_TYPE, "value": npi}


def provider_reference(provider: Provider) -> Element:
    """Return a reference to a provider by NPI: there are no Practitioner or Organization resources."""
    return present(identifier=npi_identifier(provider.npi), display=provider.name or None)


def service(hcpcs: Coded | None) -> Element:
    """Return the service or product. A line without a HCPCS code says so."""
    return concept(hcpcs_coding(hcpcs)) if hcpcs else NO_SERVICE


def hcpcs_coding(hcpcs: Coded) -> Element:
    return coding(systems.HCPCS, hcpcs.code, hcpcs.display or None)


def numbered(elements: Iterable[Element]) -> list[Element]:
    """Return the elements with their `sequence`, from one."""
    return [{"sequence": sequence, **element} for sequence, element in enumerate(elements, 1)]


def present(**elements: Any) -> Element:
    """Return the elements that have a value: FHIR has neither null nor empty lists."""
    return {name: element for name, element in elements.items() if element is not None and element != []}


NPI_TYPE = concept(coding(systems.CARIN_IDENTIFIER_TYPE, "npi", "National Provider Identifier"))
NO_SERVICE = concept(coding(systems.DATA_ABSENT_REASON, "not-applicable", "Not Applicable"))
