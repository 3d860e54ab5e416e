"""Removed resources: those that loads have removed from the store and that did not come again, and all of beneficiaries
who were exported by mistake, because of a roster that was rolled back.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

import msgspec
from django.db.models import Q, QuerySet
from django.utils import timezone

from attribution.cohorts import Population
from attribution.models import Beneficiary
from exports.claims import splice
from exports.claims.cutting import ServiceDates
from exports.claims.loader import resource_id
from exports.claims.models import Chunk, Deletion
from exports.fhir.common.lines import SERVICE_DATED, service_date
from exports.sources.base import EVERYBODY, Piece, Selection, SourcePart

# Beneficiaries that are read together.
BATCH = 200


class Deletions:
    """The deletions in PostgreSQL (exports.claims.models.Deletion), as a transaction Bundle for each beneficiary.

    A selection means those after its `since`, of resources within its dates.
    """

    def parts(self, selection: Selection, *, file_bytes: int) -> list[SourcePart]:  # noqa: ARG002  # a small file, always
        # Which of them came again is only known from the chunks: too much to read here.
        if selection.as_of_load_id is None:
            return []
        is_some = _chosen(selection).exists() or _delivered_by_mistake(selection).exists()
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
                yield _piece(bundles)
        yield from self._of_mistakes(selection)

    def _of_mistakes(self, selection: Selection) -> Iterator[Piece]:
        """Return all that a client can have of those who were exported by mistake."""
        whose, last = _delivered_by_mistake(selection).order_by("pk").values_list("pk", flat=True), 0
        while some := list(whose.filter(pk__gt=last)[:BATCH]):
            last = some[-1]
            removed = _removed(selection).filter(beneficiary_id__in=some).order_by("beneficiary_id", "load_id")
            of_some = {each: list(of) for each, of in groupby(removed, attrgetter("beneficiary_id"))}
            present = _present(selection, dict.fromkeys(some), are_within_dates=True)
            now = timezone.now()
            bundles = [
                _bundle(selection.resource_type, ids, now)
                for each in some
                if (ids := _gone(selection, of_some.get(each, ())) | present.get(each, set()))
            ]
            if bundles:
                yield _piece(bundles)


def _piece(bundles: list[bytes]) -> Piece:
    return Piece(splice.deflate(b"".join(bundles), len(bundles)))


def _delivered_by_mistake(selection: Selection) -> QuerySet[Beneficiary]:
    return (
        selection.cohort.delivered_by_mistake()
        if selection.cohort.mistaken_roster_ids and selection.cohort.population != Population.RETURNED
        else Beneficiary.objects.none()
    )


def _batches(chosen: QuerySet[Deletion]) -> Iterator[dict[int, list[Deletion]]]:
    """Return the deletions by beneficiary, the latest of each last, for some beneficiaries at a time."""
    whose, last = chosen.order_by("beneficiary_id").values_list("beneficiary_id", flat=True).distinct(), 0
    while some := list(whose.filter(beneficiary_id__gt=last)[:BATCH]):
        last = some[-1]
        of_some = chosen.filter(beneficiary_id__in=some).order_by("beneficiary_id", "load_id").select_related("load")
        yield {each: list(deletions) for each, deletions in groupby(of_some, attrgetter("beneficiary_id"))}


def _chosen(selection: Selection) -> QuerySet[Deletion]:
    """Return the deletions in a selection: of those who are in the cohort."""
    return _removed(selection).filter(
        beneficiary__in=selection.cohort.beneficiaries(),
        is_replaced=False,  # the others came again in the same load
    )


def _removed(selection: Selection) -> QuerySet[Deletion]:
    """Return the deletions of anybody's resources that a selection is about."""
    return Deletion.objects.filter(
        version=selection.version,
        variant=selection.variant,
        resource_type=selection.resource_type,
        load__lte=selection.as_of_load_id,
        load__loaded_at__gt=selection.since,
    )


def _gone(selection: Selection, deletions: Sequence[Deletion]) -> set[str]:
    """Return the removed ids, of resources within the selection's dates."""
    dates = _dates(selection)
    days: dict[str, dt.date | None] = {}
    for each in deletions:
        # If the date was not kept, it is unknown whether they were within the dates.
        days |= dict.fromkeys(each.resource_ids) | dict(zip(each.resource_ids, each.service_dates, strict=False))
    return {id_ for id_, day in days.items() if dates is None or dates.keep(day)}


def _dates(selection: Selection) -> ServiceDates | None:
    """Return the dates that bound a selection, or None."""
    dates = ServiceDates(selection.claims_from_date, selection.claims_through_date)
    return dates if selection.resource_type in SERVICE_DATED and dates != ServiceDates(None, None) else None


def _present(
    selection: Selection, beneficiary_ids: Mapping[int, object], *, are_within_dates: bool = False
) -> dict[int, set[str]]:
    """Return the ids that the store has of these beneficiaries, as of the selection: these are not removed."""
    dates = _dates(selection) if are_within_dates else None
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
        lines = splice.inflate(body).splitlines(keepends=True)
        kept = lines if dates is None else [line for line in lines if dates.keep(service_date(line))]
        found.setdefault(whose, set()).update(map(resource_id, kept))
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
