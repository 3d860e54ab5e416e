"""Writes claims into the store. A load is one transaction: there whole or not at all."""

import datetime as dt
import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec
from django.db import connection, transaction
from django.utils import timezone

from attribution.models import Mbi
from exports.claims import splice
from exports.claims.models import Chunk, Load

# Any number, the same for every loader: loads come one after the other, in the order of their ids.
_LOADS_LOCK = 0x4C4F4144
# Beneficiaries that are looked up and written together.
BATCH = 200

_COLUMNS = (
    "version", "resource_type", "beneficiary_id", "load_id", "last_updated", "first_service_date", "last_service_date",
    "resource_count", "raw_length", "crc32", "body",
)  # fmt: skip
_TYPES = ("int2", "text", "int8", "int8", "timestamptz", "date", "date", "int4", "int4", "int8", "bytea")


class UnknownBeneficiariesError(LookupError):
    """Claims came for people whom no roster has named; `places` are their numbers in the load, from 1."""

    def __init__(self, places: Sequence[int]) -> None:
        first = ", ".join(map(str, places[:5]))
        super().__init__(
            f"{len(places)} of the beneficiaries are on no roster (number {first} of the load among them). "
            "Load the roster first. Nothing was loaded."
        )
        self.places = places


@dataclass(frozen=True, slots=True)
class Arrival:
    """A rendered resource: `line` is its JSON, in one line that ends in a newline."""

    resource_type: str
    id: str
    line: bytes
    service_date: dt.date | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    """A chunk to be written."""

    resource_type: str
    beneficiary_id: int
    last_updated: dt.datetime
    first_service_date: dt.date | None
    last_service_date: dt.date | None
    body: splice.Body


class _Identity(msgspec.Struct):
    id: str


_decode_identity = msgspec.json.Decoder(_Identity).decode


class Loading:
    """A load under way. Give it each beneficiary's resources once; what they replace is taken out of older chunks."""

    def __init__(self, load: Load, *, version: int) -> None:
        self.load = load
        self._version = version
        self._waiting: list[tuple[str, list[Arrival]]] = []
        self._seen = 0

    def add(self, mbi: str, arrivals: Iterable[Arrival]) -> None:
        """Take in what came for one beneficiary. Raises UnknownBeneficiariesError, now or later."""
        self._waiting.append((mbi, list(arrivals)))
        if len(self._waiting) == BATCH:
            self.write()

    def write(self) -> None:
        """Write what has been taken in and not been written yet."""
        waiting, self._waiting = self._waiting, []
        beneficiaries = dict(
            Mbi.objects.filter(value__in=[mbi for mbi, _ in waiting]).values_list("value", "beneficiary_id")
        )
        unknown = [place for place, (mbi, _) in enumerate(waiting, self._seen + 1) if mbi not in beneficiaries]
        if unknown:
            raise UnknownBeneficiariesError(unknown)
        self._seen += len(waiting)
        arrived: dict[tuple[int, str], list[Arrival]] = {}
        for mbi, arrivals in waiting:
            for arrival in arrivals:
                arrived.setdefault((beneficiaries[mbi], arrival.resource_type), []).append(arrival)
        self._copy(itertools.chain(self._kept(arrived), self._new(arrived)))

    def _new(self, arrived: dict[tuple[int, str], list[Arrival]]) -> Iterator[_Row]:
        """The chunks that this load brings."""
        for (beneficiary_id, resource_type), arrivals in arrived.items():
            body = splice.deflate(b"".join(arrival.line for arrival in arrivals), len(arrivals))
            dates = [arrival.service_date for arrival in arrivals if arrival.service_date]
            first, last = (min(dates), max(dates)) if dates else (None, None)
            yield _Row(resource_type, beneficiary_id, self.load.loaded_at, first, last, body)
            self.load.resource_count += body.resource_count
            self.load.raw_length += body.raw_length

    def _kept(self, arrived: dict[tuple[int, str], list[Arrival]]) -> list[_Row]:
        """What is left of older chunks once the resources that arrived anew are out of them."""
        older = Chunk.objects.filter(
            version=self._version,
            superseded_by=None,
            beneficiary_id__in={beneficiary_id for beneficiary_id, _ in arrived},
            resource_type__in={resource_type for _, resource_type in arrived},
        )
        kept: list[_Row] = []
        for chunk in older:
            arrivals = arrived.get((chunk.beneficiary_id, chunk.resource_type), ())
            replaced = {arrival.id for arrival in arrivals}
            lines = splice.inflate(chunk.body).splitlines(keepends=True)
            rest = [line for line in lines if _decode_identity(line).id not in replaced]
            if len(rest) == len(lines):
                continue
            Chunk.objects.filter(pk=chunk.pk).update(superseded_by=self.load)
            if rest:
                body = splice.deflate(b"".join(rest), len(rest))
                kept.append(
                    _Row(
                        chunk.resource_type,
                        chunk.beneficiary_id,
                        chunk.last_updated,
                        chunk.first_service_date,
                        chunk.last_service_date,
                        body,
                    )
                )
        return kept

    def _copy(self, rows: Iterable[_Row]) -> None:
        columns = ", ".join(_COLUMNS)
        copying = f"COPY exports_chunk ({columns}) FROM STDIN (FORMAT binary)"
        with connection.cursor() as cursor, cursor.copy(copying) as copy:
            copy.set_types(_TYPES)
            for row in rows:
                copy.write_row(
                    (
                        self._version,
                        row.resource_type,
                        row.beneficiary_id,
                        self.load.pk,
                        row.last_updated,
                        row.first_service_date,
                        row.last_service_date,
                        row.body.resource_count,
                        row.body.raw_length,
                        row.body.crc32,
                        row.body.deflated,
                    )
                )


@contextmanager
def loading(source: str, *, version: int) -> Iterator[Loading]:
    """A load, in one transaction that ends with the block. `source` says in words where the claims come from.

    Render the resources with `load.loaded_at` as their `meta.lastUpdated`: exports compare it with `_since`.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOADS_LOCK])
        last = Load.objects.order_by("-id").first()
        now = timezone.now()
        # The clock may have been set back; the order of loads may not.
        load = Load.objects.create(
            source=source, loaded_at=max(now, last.loaded_at + dt.timedelta(milliseconds=1)) if last else now
        )
        under_way = Loading(load, version=version)
        yield under_way
        under_way.write()
        load.save(update_fields=["resource_count", "raw_length"])
        with connection.cursor() as cursor:
            # Without fresh statistics the planner may choose a plan that takes minutes.
            cursor.execute("ANALYZE exports_chunk")
