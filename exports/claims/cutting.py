"""Filters that cut through a body: decompress it, keep the matching lines, compress them again. Pure."""

import datetime as dt
from dataclasses import dataclass

from exports.claims import splice
from exports.claims.splice import Body
from exports.fhir.common.lines import service_date


@dataclass(frozen=True, slots=True)
class ServiceDates:
    """Claims whose service ended in a range of days, both ends included. A claim without such a day does not match."""

    first: dt.date | None
    last: dt.date | None

    def keep(self, day: dt.date | None) -> bool:
        if day is None:
            return False
        return (self.first is None or day >= self.first) and (self.last is None or day <= self.last)


def cut(body: Body, dates: ServiceDates) -> Body:
    """Return the matching part of a body; the body itself if all of it matches."""
    ndjson = splice.inflate(body.deflated)
    view = memoryview(ndjson)
    kept: list[memoryview] = []
    start = 0
    while start < len(ndjson):
        end = ndjson.index(b"\n", start) + 1
        if dates.keep(service_date(ndjson, start, end)):
            kept.append(view[start:end])
        start = end
    return body if len(kept) == body.resource_count else splice.deflate(b"".join(kept), len(kept), level=splice.FAST)
