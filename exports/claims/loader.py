"""Writes claims into the store. A load is one transaction: all of it is stored, or none."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
from django.db import connection, transaction
from django.utils import timezone

from attribution.models import Mbi, RosterFile
from exports.claims import splice
from exports.claims.chunks import Segment, segments_of, write_chunks
from exports.claims.models import FULL, Chunk, Deletion, Load, PatientIdentity, Series
from exports.fhir.common.lines import SERVICE_DATED, service_date

# Any number, the same for every loader: loads run one after the other, in the order of their ids.
_LOADS_LOCK = 0x4C4F4144
_MILLISECOND = dt.timedelta(milliseconds=1)
# Beneficiaries that are looked up and written together.
BATCH = 200


class UnknownBeneficiariesError(LookupError):
    """Some beneficiaries with claims are on no roster; `places` are their numbers in the load, from 1."""

    def __init__(self, places: Sequence[int]) -> None:
        first = ", ".join(map(str, places[:5]))
        super().__init__(
            f"{len(places)} of the beneficiaries are on no roster (the first is number {first} of the load). "
            "Load the roster first. Nothing was loaded."
        )
        self.places = places


class PatientOfAnotherError(ValueError):
    """A Patient has an id that belongs to another beneficiary."""

    def __init__(self) -> None:
        super().__init__(
            "A Patient has an id that an earlier load used for another beneficiary. Check the source: an id must "
            "belong to one beneficiary. Nothing was loaded."
        )


@dataclass(frozen=True, slots=True)
class Arrival:
    """A rendered resource: `line` is its JSON, in one line that ends in a newline."""

    resource_type: str
    id: str
    line: bytes
    service_date: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Packed:
    """The resources of one series of one beneficiary, compressed. Any process can pack; one loads."""

    series: Series
    ids: tuple[str, ...]
    first_service_date: dt.date | None
    last_service_date: dt.date | None
    body: splice.Body


def pack(arrivals: Iterable[Arrival], *, version: int, variant: str = FULL) -> list[Packed]:
    """One beneficiary's resources in an API version, compressed type by type."""
    by_type: dict[str, list[Arrival]] = {}
    for arrival in arrivals:
        by_type.setdefault(arrival.resource_type, []).append(arrival)
    return [_packed(Series(version, resource_type, variant), of_type) for resource_type, of_type in by_type.items()]


def _packed(series: Series, arrivals: list[Arrival]) -> Packed:
    dates = [arrival.service_date for arrival in arrivals if arrival.service_date]
    # If one has no date, the chunk's range says nothing: an export with bounds looks into it.
    first, last = (min(dates), max(dates)) if len(dates) == len(arrivals) else (None, None)
    return Packed(
        series,
        tuple(arrival.id for arrival in arrivals),
        first,
        last,
        splice.deflate(b"".join(arrival.line for arrival in arrivals), len(arrivals)),
    )


@dataclass(frozen=True, slots=True)
class _Delivery:
    """What came for one beneficiary: resources, and the ids of removed resources, by series."""

    beneficiary_id: int
    packed: Sequence[Packed]
    deleted: Mapping[Series, frozenset[str]]


class _Identity(msgspec.Struct):
    id: str


_decode_identity = msgspec.json.Decoder(_Identity).decode


def resource_id(line: bytes) -> str:
    """Return the id of the resource in a line."""
    return _decode_identity(line).id


@dataclass
class Loading:
    """A load in progress. Give it each beneficiary's resources once, in all API versions together.

    It removes what they replace from older chunks.
    """

    load: Load
    versions: set[int] = field(default_factory=set)
    _named: list[tuple[str, Sequence[Packed]]] = field(default_factory=list)
    _deliveries: list[_Delivery] = field(default_factory=list)
    _seen: int = 0

    def add(self, mbi: str, arrivals: Iterable[Arrival], *, version: int) -> None:
        """Add the resources of one beneficiary, in one version. Raises UnknownBeneficiariesError, now or later."""
        self.add_packed(mbi, pack(arrivals, version=version))

    def add_packed(self, mbi: str, packed: Sequence[Packed]) -> None:
        """Add the packed resources of one beneficiary."""
        self._named.append((mbi, packed))
        if len(self._named) == BATCH:
            self.write()

    def correct(self, beneficiary_id: int, packed: Sequence[Packed], deleted: Mapping[Series, frozenset[str]]) -> None:
        """Add the new resources of one beneficiary, and the ids of removed ones."""
        self._deliveries.append(_Delivery(beneficiary_id, packed, deleted))
        if len(self._deliveries) == BATCH:
            self.write()

    def write(self) -> None:
        """Write what was added and not written yet."""
        deliveries = [*self._deliveries, *self._identified()]
        self._deliveries = []
        self._remember_patients(deliveries)
        write_chunks([*self._kept(deliveries), *self._new(deliveries)])

    def _identified(self) -> Iterator[_Delivery]:
        """Return what came for MBIs, by beneficiary."""
        named, self._named = self._named, []
        known = dict(Mbi.objects.filter(value__in=[mbi for mbi, _ in named]).values_list("value", "beneficiary_id"))
        unknown = [place for place, (mbi, _) in enumerate(named, self._seen + 1) if mbi not in known]
        if unknown:
            raise UnknownBeneficiariesError(unknown)
        self._seen += len(named)
        for mbi, packed in named:
            yield _Delivery(known[mbi], packed, {})

    def _new(self, deliveries: Sequence[_Delivery]) -> Iterator[Chunk]:
        """Return the new chunks of this load."""
        for delivery in deliveries:
            for packed in delivery.packed:
                self.versions.add(packed.series.version)
                self.load.resource_count += packed.body.resource_count
                self.load.raw_length += packed.body.raw_length
                yield self._chunk(
                    delivery.beneficiary_id,
                    packed.series,
                    [Segment(self.load.loaded_at, packed.body)],
                    packed.first_service_date,
                    packed.last_service_date,
                )

    def _kept(self, deliveries: Sequence[_Delivery]) -> list[Chunk]:
        """Return the rest of older chunks, without resources that were replaced or removed."""
        arrived, deleted = _ids(deliveries)
        series = {series for _, series in (*arrived, *deleted)}
        self.versions |= {each.version for each in series}
        older = Chunk.objects.filter(
            superseded_by=None,
            beneficiary_id__in={beneficiary_id for beneficiary_id, _ in (*arrived, *deleted)},
            version__in={each.version for each in series},
            resource_type__in={each.resource_type for each in series},
        )
        kept: list[Chunk] = []
        superseded: list[tuple[object, ...]] = []
        taken: list[_Taken] = []
        for chunk in older:
            whose = (chunk.beneficiary_id, chunk.series)
            replaced, gone = arrived.get(whose, frozenset()), deleted.get(whose, frozenset())
            rest, days = _without(segments_of(chunk), replaced | gone, are_dated=chunk.resource_type in SERVICE_DATED)
            if not days:
                continue
            superseded.append(chunk.pk)
            taken.append(_Taken(whose, days, replaced))
            if rest:
                kept.append(self._chunk(*whose, rest, chunk.first_service_date, chunk.last_service_date))
        Chunk.objects.filter(pk__in=superseded).update(superseded_by=self.load)
        Deletion.objects.bulk_create(self._deletions(taken))
        return kept

    def _chunk(
        self,
        beneficiary_id: int,
        series: Series,
        segments: Sequence[Segment],
        first_service_date: dt.date | None,
        last_service_date: dt.date | None,
    ) -> Chunk:
        is_dated = series.resource_type in SERVICE_DATED
        return Chunk(
            **series._asdict(),
            beneficiary_id=beneficiary_id,
            load=self.load,
            first_service_date=first_service_date if is_dated else None,
            last_service_date=last_service_date if is_dated else None,
            **Segment.joined(segments),
        )

    def _deletions(self, taken: Iterable["_Taken"]) -> Iterator[Deletion]:
        """Record the removed resources: one row for a beneficiary's chunks of one series."""
        together: dict[tuple[_Whose, bool], _Days] = {}
        for whose, days, replaced in taken:
            for id_, day in days.items():
                together.setdefault((whose, id_ in replaced), {})[id_] = day
        for ((beneficiary_id, series), is_replaced), days in together.items():
            yield Deletion(
                load=self.load,
                beneficiary_id=beneficiary_id,
                **series._asdict(),
                is_replaced=is_replaced,
                resource_ids=sorted(days),
                service_dates=[days[id_] for id_ in sorted(days)],
            )

    def _remember_patients(self, deliveries: Sequence[_Delivery]) -> None:
        """Record which beneficiary each Patient belongs to, for later loads. Raises PatientOfAnotherError."""
        whose = {
            (packed.series.version, patient_id): delivery.beneficiary_id
            for delivery in deliveries
            for packed in delivery.packed
            if packed.series.resource_type == "Patient"
            for patient_id in packed.ids
        }
        known = PatientIdentity.objects.filter(
            version__in={version for version, _ in whose}, patient_id__in={patient_id for _, patient_id in whose}
        )
        for version, patient_id, beneficiary_id in known.values_list("version", "patient_id", "beneficiary_id"):
            if whose.pop((version, patient_id), beneficiary_id) != beneficiary_id:
                raise PatientOfAnotherError
        PatientIdentity.objects.bulk_create(
            PatientIdentity(version=version, patient_id=patient_id, beneficiary_id=beneficiary_id)
            for (version, patient_id), beneficiary_id in whose.items()
        )


_Whose = tuple[int, Series]  # a beneficiary, and what of theirs
_Ids = dict[_Whose, frozenset[str]]
# By id, the last service date.
_Days = dict[str, dt.date | None]


class _Taken(NamedTuple):
    """What was removed from a chunk, and which of its ids came again."""

    whose: _Whose
    days: _Days
    replaced: frozenset[str]


def _ids(deliveries: Sequence[_Delivery]) -> tuple[_Ids, _Ids]:
    """By beneficiary and series: what came, and what was removed."""
    arrived: _Ids = {}
    deleted: _Ids = {}
    for delivery in deliveries:
        for packed in delivery.packed:
            arrived[delivery.beneficiary_id, packed.series] = frozenset(packed.ids)
        for series, ids in delivery.deleted.items():
            deleted[delivery.beneficiary_id, series] = ids
    return arrived, deleted


def _without(segments: Sequence[Segment], ids: frozenset[str], *, are_dated: bool) -> tuple[list[Segment], _Days]:
    """Return segments without the resources of these ids, and the ids that were found, with their dates."""
    rest: list[Segment] = []
    found: _Days = {}
    for segment in segments:
        lines = splice.inflate(segment.body.deflated).splitlines(keepends=True)
        of_lines = [resource_id(line) for line in lines]
        here = ids.intersection(of_lines)
        if not here:
            rest.append(segment)
            continue
        left = []
        for line, id_ in zip(lines, of_lines, strict=True):
            if id_ in here:
                found[id_] = service_date(line) if are_dated else None
            else:
                left.append(line)
        if left:
            rest.append(Segment(segment.last_updated, splice.deflate(b"".join(left), len(left))))
    return rest, found


def lock_loads() -> None:
    """Wait for running loads. Later ones wait until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOADS_LOCK])


def no_load_is_running() -> bool:
    """Return whether no load is running. If so, none begins until this transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock_shared(%s)", [_LOADS_LOCK])
        return bool(cursor.fetchone()[0])


@contextmanager
def loading(source: str, *, takes_back: Load | None = None) -> Iterator[Loading]:
    """Run a load in one transaction that ends with the block. `source` says where the claims come from.

    Render the resources with `load.loaded_at` as their `meta.lastUpdated`: exports compare it with `_since`.
    """
    with transaction.atomic():
        lock_loads()
        last = Load.objects.order_by("-id").first()
        before = [last.loaded_at] if last else []
        # An export can say that it has everything until its roster came into force (exports/pipeline/plan.py).
        before += [changed_at] if (changed_at := RosterFile.objects.last_change()) else []
        load = Load.objects.create(
            source=source,
            # The clock can be set back, or differ from the database's. The order can't.
            loaded_at=max([timezone.now(), *(each + 2 * _MILLISECOND for each in before)]),
            takes_back=takes_back,
        )
        under_way = Loading(load)
        yield under_way
        under_way.write()
        load.versions = sorted(under_way.versions)
        load.version = load.versions[0] if len(load.versions) == 1 else None
        load.save(update_fields=["versions", "version", "resource_count", "raw_length"])
        with connection.cursor() as cursor:
            # Without new statistics the planner can choose a plan that takes minutes.
            cursor.execute("ANALYZE exports_chunk")
