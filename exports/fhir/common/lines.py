"""Reads facts from a line of NDJSON without decoding the rest. Pure."""

import datetime as dt
import re

import msgspec

from exports.fhir.common import systems

# The types whose resources have a service date, so that a bound on it applies to them.
SERVICE_DATED = frozenset({"Claim", "ClaimResponse", "ExplanationOfBenefit"})
# An R4 ClaimResponse has no period of its own. Ours have the last service date as CMS's data element.
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

# The format that we write ourselves. Then the line needs no decoding.
_NAME = b'"billablePeriod":{'
_CONTAINED = b'"contained"'
_END = re.compile(
    rb'"billablePeriod":\{(?:"extension":\[[^\[\]]*\],)?(?:"start":"[0-9T:.Z+-]*",)?"end":"([0-9]{4}-[0-9]{2}-[0-9]{2})'
)


def service_date(ndjson: bytes, start: int = 0, end: int | None = None) -> dt.date | None:
    """Return the last service date of a claim: the end of its billable period, or its start. None if there is none.

    The claim is the line from `start` to `end` of `ndjson`. A partial date (2026-03) means the last possible day.
    Raises msgspec.DecodeError for invalid JSON, and ValueError for a text that is not a date.
    """
    end = len(ndjson) if end is None else end
    place = ndjson.find(_NAME, start, end)
    if place >= 0 and _is_its_own(ndjson, start, place):
        found = _END.match(ndjson, place, end)
        if found:
            return dt.date.fromisoformat(found[1].decode())
    dated = _decode(ndjson[start:end])
    period = dated.billablePeriod
    of_extension = (each.valueDate for each in dated.extension if each.url in _SERVICE_ENDS)
    given = (period.end or period.start) if period else next(of_extension, "")
    return _last_day(given) if given else None


def _is_its_own(ndjson: bytes, start: int, place: int) -> bool:
    """Return whether the text at `place` is certainly the resource's own: a name from its quote on, one open brace.

    Strings can have braces, too, and mislead. But inside a resource, only a contained one has a period.
    """
    if ndjson[place - 1 : place] not in (b"{", b","):  # the end of another name, such as x\"billablePeriod
        return False
    is_open = ndjson.count(b"{", start, place) == ndjson.count(b"}", start, place) + 1
    return is_open and ndjson.find(_CONTAINED, start, place) < 0


def _last_day(given: str) -> dt.date:
    year, month, day = (*given[:10].split("-"), "", "")[:3]
    if day:
        return dt.date(int(year), int(month), int(day))
    first_of_next = dt.date(int(year) + (month in ("", "12")), int(month) % 12 + 1 if month else 1, 1)
    return first_of_next - dt.timedelta(days=1)
