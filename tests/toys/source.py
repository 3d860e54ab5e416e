"""A source: it has a Patient for each beneficiary, does not know how much that is, and fails for the first of them."""

import datetime as dt
from collections.abc import Iterator

import msgspec
from django.utils import timezone

from attribution.models import Mbi
from exports.claims.splice import deflate
from exports.sources import Moment, Piece, Selection, Shortfall, SourcePart

BENEFICIARIES_PER_FILE = 2


class ToySource:
    name = "toy"
    removals = None

    def has(self, version: int, *, since: dt.datetime | None) -> bool:
        return version == 2

    def moment(self) -> Moment:
        return Moment(as_of_load=None, transaction_time=timezone.now())

    def parts(self, selection: Selection, *, file_bytes: int) -> Iterator[SourcePart]:
        if selection.resource_type != "Patient":
            return
        keys = list(selection.cohort.beneficiaries().order_by("pk").values_list("pk", flat=True))
        for start in range(0, len(keys), BENEFICIARIES_PER_FILE):
            some = keys[start : start + BENEFICIARIES_PER_FILE]
            yield SourcePart(some[0], some[-1])

    def pieces(self, selection: Selection) -> Iterator[Piece | Shortfall]:
        everyone = selection.cohort.beneficiaries().order_by("pk")
        first = everyone.first()
        some = everyone.filter(pk__range=(selection.first_beneficiary_id, selection.last_beneficiary_id))
        for mbi in Mbi.objects.filter(beneficiary__in=some).order_by("beneficiary"):
            if mbi.beneficiary == first:
                yield Shortfall(f"The record of {mbi.value} can't be read.")
            else:
                body = {"resourceType": "Patient", "id": f"toy-{mbi.value}"}
                yield Piece(deflate(msgspec.json.encode(body) + b"\n", 1))


SOURCE = ToySource()
