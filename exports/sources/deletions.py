"""Removed resources: those that loads have removed from the store and that did not come again."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

import msgspec
from django.db.models import Q, QuerySet

from exports.claims import splice
from exports.claims.cutting import ServiceDates
from exports.claims.loader import resource_id
from exports.claims.models import Chunk, Deletion
from exports.fhir.common.lines import SERVICE_DATED
from exports.sources.base import EVERYBODY, Piece, Selection, SourcePart

# Beneficiaries that are read together.
BATCH = 200


class Deletions:
    """The deletions in PostgreSQL (exports.claims.models.Deletion), as a transaction Bundle for each beneficiary.

    A selection means those after its `since`, of resources within its dates.
    """

    def parts(self, selection: Selection, *, file_bytes: int) -> list[SourcePart]:  # noqa: ARG002  # a small file, always
        # Which of them came again is only known from the chunks: too much to read here.
        is_some = selection.as_of_load_id is not None and _chosen(selection).exists()
        return [SourcePart(*EVERYBODY)] if is_some else []

    def pieces(self, selection: Selection) -> Iterator[Piece]:
        for batch in _batches(_chosen(selection)):
            present = _present(selection, batch)
            bundles = [
                _bundle(selection.resource_type, gone, deletions[-1].load.loaded_at)
                for whose, deletions in batch.items()
                if (gone := _gone(selection, deletions) - present.get(whose, set()))
            ]
            if bundles:
                yield Piece(splice.deflate(b"".join(bundles), len(bundles)))


def _batches(chosen: QuerySet[Deletion]) -> Iterator[dict[int, list[Deletion]]]:
    """Return the deletions by beneficiary, the latest of each last, for some beneficiaries at a time."""
    whose, last = chosen.order_by("beneficiary_id").values_list("beneficiary_id", flat=True).distinct(), 0
    while some := list(whose.filter(beneficiary_id__gt=last)[:BATCH]):
        last = some[-1]
        of_some = chosen.filter(beneficiary_id__in=some).order_by("beneficiary_id", "load_id").select_related("load")
        yield {each: list(deletions) for each, deletions in groupby(of_some, attrgetter("beneficiary_id"))}


def _chosen(selection: Selection) -> QuerySet[Deletion]:
    """Return the deletions in a selection."""
    return Deletion.objects.filter(
        beneficiary__in=selection.cohort.beneficiaries(),
        version=selection.version,
        variant=selection.variant,
        resource_type=selection.resource_type,
        is_replaced=False,  # the others came again in the same load
        load__lte=selection.as_of_load_id,
        load__loaded_at__gt=selection.since,
    )


def _gone(selection: Selection, deletions: Sequence[Deletion]) -> set[str]:
    """Return the removed ids, of resources within the selection's dates."""
    dates = ServiceDates(selection.claims_from_date, selection.claims_through_date)
    is_bounded = selection.resource_type in SERVICE_DATED and dates != ServiceDates(None, None)
    days: dict[str, dt.date | None] = {}
    for each in deletions:
        # If the date was not kept, it is unknown whether they were within the dates.
        days |= dict.fromkeys(each.resource_ids) | dict(zip(each.resource_ids, each.service_dates, strict=False))
    return {id_ for id_, day in days.items() if not is_bounded or dates.keep(day)}


def _present(selection: Selection, beneficiary_ids: Mapping[int, object]) -> dict[int, set[str]]:
    """Return the ids that the store has of these beneficiaries, as of the selection: these are not removed."""
    chunks = Chunk.objects.filter(
        Q(superseded_by=None) | Q(superseded_by__gt=selection.as_of_load_id),
        version=selection.version,
        variant=selection.variant,
        resource_type=selection.resource_type,
        beneficiary__in=beneficiary_ids,
        load__lte=selection.as_of_load_id,
    )
    found: dict[int, set[str]] = {}
    for whose, body in chunks.values_list("beneficiary_id", "body"):
        found.setdefault(whose, set()).update(map(resource_id, splice.inflate(body).splitlines()))
    return found


def _bundle(resource_type: str, ids: set[str], deleted_at: dt.datetime) -> bytes:
    """Return a line that says that resources are deleted, as in the Bulk Data IG."""
    bundle = {
        "resourceType": "Bundle",
        "meta": {"lastUpdated": deleted_at.isoformat().replace("+00:00", "Z")},
        "type": "transaction",
        "entry": [{"request": {"method": "DELETE", "url": f"{resource_type}/{id_}"}} for id_ in sorted(ids)],
    }
    return msgspec.json.encode(bundle) + b"\n"
