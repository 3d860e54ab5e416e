"""Reverts a load: its resources are removed, and what it replaced is current again."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from django.db import models, transaction

from exports.claims import splice
from exports.claims.chunks import segments_of
from exports.claims.loader import Arrival, Packed, loading, lock_loads, pack, resource_id
from exports.claims.models import Chunk, Load, Series
from exports.fhir.common.lines import service_date


class CannotTakeBackError(ValueError):
    """The load can't be reverted; the message says why."""


@dataclass(slots=True)
class _Correction:
    """The resources of a beneficiary that are current again, and those that are removed, by series."""

    again: dict[Series, list[Arrival]] = field(default_factory=dict)
    gone: dict[Series, frozenset[str]] = field(default_factory=dict)

    def packed(self) -> list[Packed]:
        return [
            packed
            for series, arrivals in self.again.items()
            for packed in pack(arrivals, version=series.version, variant=series.variant)
        ]


@transaction.atomic
def take_back(load: Load) -> Load:
    """Revert a load with another load, and return that one. Raises CannotTakeBackError.

    This is right for exports that saw the load, too: a client that uses their `transactionTime` gets the earlier
    resources again, and those that only the load had are recorded as deleted.
    """
    lock_loads()
    _check(load)
    with loading(f"reverting load {load.pk}", takes_back=load) as under_way:
        for beneficiary_id in _touched(load):
            correction = _correction(load, beneficiary_id)
            under_way.correct(beneficiary_id, correction.packed(), correction.gone)
    return under_way.load


def _check(load: Load) -> None:
    load.refresh_from_db()
    if load.closed_at is not None:
        raise CannotTakeBackError(
            f"Load {load.pk} was merged with older loads on {load.closed_at:%Y-%m-%d} and can't be reverted. "
            "Load the right claims. They replace the wrong ones."
        )
    if load.takes_back_id is not None:
        raise CannotTakeBackError(
            f"Load {load.pk} reverted load {load.takes_back_id} and can't be reverted itself. Load those claims again."
        )
    if Load.objects.filter(takes_back=load).exists():
        raise CannotTakeBackError(f"Load {load.pk} was already reverted.")
    later = Load.objects.filter(pk__gt=load.pk, takes_back=None, taken_back_by=None).order_by("-id").first()
    if later is not None:
        raise CannotTakeBackError(f"Load {later.pk} came after load {load.pk}. Revert load {later.pk} first.")


def _touched(load: Load) -> Iterator[int]:
    """Return the beneficiaries whose resources the load added or removed."""
    brought_or_taken = models.Q(load=load) | models.Q(superseded_by=load)
    yield from (
        Chunk.objects.filter(brought_or_taken)
        .order_by("beneficiary_id")
        .values_list("beneficiary_id", flat=True)
        .distinct()
    )


def _correction(load: Load, beneficiary_id: int) -> _Correction:
    """Return a beneficiary's resources from before the load that it did not leave as they were, and what it added."""
    correction = _Correction()
    chunks = Chunk.objects.filter(beneficiary_id=beneficiary_id)
    after = [*chunks.filter(load=load)]
    before = [*chunks.filter(superseded_by=load)]
    for series in sorted({chunk.series for chunk in (*before, *after)}):
        brought: set[str] = set()
        left: set[tuple[object, str]] = set()
        for chunk in after:
            if chunk.series == series:
                for updated, line in _lines(chunk):
                    if updated == load.loaded_at:
                        brought.add(resource_id(line))
                    else:
                        left.add((updated, resource_id(line)))
        again = {
            resource_id(line): line
            for chunk in before
            if chunk.series == series
            for updated, line in _lines(chunk)
            if (updated, resource_id(line)) not in left
        }
        correction.again[series] = [
            Arrival(series.resource_type, id_, line, service_date(line)) for id_, line in again.items()
        ]
        if gone := frozenset(brought - again.keys()):
            correction.gone[series] = gone
    return correction


def _lines(chunk: Chunk) -> Iterator[tuple[object, bytes]]:
    for segment in segments_of(chunk):
        for line in splice.inflate(segment.body.deflated).splitlines(keepends=True):
            yield segment.last_updated, line
