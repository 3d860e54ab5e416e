"""What a line of NDJSON says of itself, read without decoding the rest of it. Pure."""

import datetime as dt

import msgspec

from exports.fhir import systems

# The types whose resources belong to a day, so that a bound on the service date means something for them.
SERVICE_DATED = frozenset({"Claim", "ClaimResponse", "ExplanationOfBenefit"})
# R4 gives a ClaimResponse no period of its own: ours carry the last day of the service as CMS's data element.
_SERVICE_ENDS = (systems.FISS_SERVICE_END, systems.MCS_SERVICE_END)


class _Period(msgspec.Struct):
    end: str = ""
    start: str = ""


class _Extension(msgspec.Struct):
    url: str = ""
    valueDate: str = ""  # noqa: N815  # FHIR's name


class _Dated(msgspec.Struct):
    billablePeriod: _Period | None = None  # noqa: N815  # FHIR's name
    extension: list[_Extension] = []


_decode = msgspec.json.Decoder(_Dated).decode


def service_date(line: bytes) -> dt.date | None:
    """The last day of a claim's service: the end of its billable period, or its start. None where there is none.

    A partial date (2026-03) means the last day that it may be. Raises msgspec.DecodeError for what is not JSON, and
    ValueError for what is not a date.
    """
    dated = _decode(line)
    period = dated.billablePeriod
    of_extension = (each.valueDate for each in dated.extension if each.url in _SERVICE_ENDS)
    given = (period.end or period.start) if period else next(of_extension, "")
    return _last_day(given) if given else None


def _last_day(given: str) -> dt.date:
    year, month, day = (*given[:10].split("-"), "", "")[:3]
    if day:
        return dt.date(int(year), int(month), int(day))
    first_of_next = dt.date(int(year) + (month in ("", "12")), int(month) % 12 + 1 if month else 1, 1)
    return first_of_next - dt.timedelta(days=1)
