"""Sandboxes: organizations with synthetic beneficiaries, a roster and claims."""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from itertools import islice
from typing import Any

from django.db import connection
from django.utils import timezone

from attribution import synthetic
from attribution.loading import load_roster
from attribution.models import RosterFile
from attribution.synthetic import SyntheticPerson
from credentials.actor import Actor
from credentials.models import Organization
from credentials.programs import REACH, SSP, Program
from exports.claims.loader import Arrival, Packed, loading, pack
from exports.claims.models import Load
from exports.fhir.common.ndjson import line
from exports.intake.generator import beneficiary_record
from exports.intake.parallel import InOrder
from exports.records import BeneficiaryRecord
from exports.versions import VERSIONS

# All sandboxes take their beneficiaries from one endless series, each from its own start, so no one is in two of them.
SEED = 20
# The last month has its own loads, after all others, so that `_since` can separate it.
RECENT = dt.timedelta(days=31)
# Which part of the work for a beneficiary is the last month's, about: it also needs the years before.
RECENT_EFFORT = 0.3
# Beneficiaries that are rendered together: few, so that the processes end together, but not one, to save messages.
PEOPLE_A_TASK = 10
# Any number, the same for all: sandboxes are made one after the other.
_MAKING_LOCK = 0x53424F58


@dataclass(frozen=True, slots=True)
class Size:
    """A sandbox that can be made: how many beneficiaries, and how much data for each."""

    name: str
    entity_id: str
    organization_name: str
    program: Program
    people: int
    first_person: int
    years: int
    people_a_load: int = 500

    @property
    def with_partial_claims(self) -> bool:
        """Return whether claims that Medicare has not decided yet are made: whether its program has them."""
        return "Claim" in self.program.resource_types

    @property
    def contents(self) -> str:
        """Return which claims it has, in words."""
        years = "1 year" if self.years == 1 else f"{self.years} years"
        return f"{years}, and partially adjudicated" if self.with_partial_claims else years

    def persons(self) -> Iterator[SyntheticPerson]:
        return synthetic.people(SEED, self.people, start=self.first_person)


def _documented(kind: str, people: int, *, program: Program, entity_id: str, years: int) -> Size:
    """A documented sandbox size. The demo's beneficiaries come before all of theirs."""
    return Size(
        name=f"{kind}-{people}",
        entity_id=entity_id,
        organization_name=f"Sandbox {kind} {people:,}",
        program=program,
        people=people,
        first_person=100_000 * int(entity_id[-2:]),
        years=years,
    )


SIZES = (
    _documented("simple", 50, program=SSP, entity_id="A9901", years=1),
    _documented("simple", 2_500, program=SSP, entity_id="A9902", years=1),
    _documented("simple", 5_000, program=SSP, entity_id="A9903", years=1),
    _documented("simple", 15_000, program=SSP, entity_id="A9904", years=1),
    _documented("simple", 30_000, program=SSP, entity_id="A9905", years=1),
    _documented("advanced", 100, program=SSP, entity_id="A9911", years=3),
    _documented("advanced", 10_000, program=SSP, entity_id="A9912", years=3),
    _documented("partial", 110, program=REACH, entity_id="D9921", years=3),
    _documented("partial", 11_000, program=REACH, entity_id="D9922", years=3),
)


class NotASandboxError(ValueError):
    """A size's entity ID belongs to an organization that is not a sandbox, or that has other beneficiaries."""


@dataclass(frozen=True, slots=True)
class Portion:
    """The claims of some beneficiaries in a period: what one load has. Its source names it."""

    source: str
    first_person: int
    people: int
    start_date: dt.date
    end_date: dt.date
    effort: float  # part of all the work for a beneficiary


@dataclass(frozen=True, slots=True)
class SandboxProgress:
    """What a sandbox has, and what is missing."""

    size: Size
    portions: tuple[Portion, ...]
    loads: dict[str, Load]  # by source

    @property
    def missing(self) -> list[Portion]:
        return [portion for portion in self.portions if portion.source not in self.loads]

    @property
    def people_done(self) -> float:
        """In beneficiaries' worth of work, so that it grows evenly."""
        return self.size.people - sum(portion.people * portion.effort for portion in self.missing)

    @property
    def since(self) -> dt.datetime | None:
        """Return the `_since` that gives only the last month's claims; None while there is none."""
        edge = self.portions[-1].start_date
        before = [portion for portion in self.portions if portion.end_date == edge]
        if any(portion.source not in self.loads for portion in before):
            return None
        return max(self.loads[portion.source].loaded_at for portion in before)


# --- Making ---------------------------------------------------------------------------------------------------------


def standing(size: Size) -> SandboxProgress:
    """Return the state of a sandbox. Its dates are those of its roster, so a second run uses the same periods.

    A load from before an API version was added does not have it, so it is missing and comes again, in all versions.
    """
    roster = _first_roster(size)
    made_on = roster.file_timestamp.date() if roster else timezone.now().date()
    portions = tuple(_portions(size, made_on))
    loads = Load.objects.filter(source__in=[portion.source for portion in portions], taken_back_by=None)
    complete = [load for load in loads.order_by("id") if _every_version() <= set(load.api_versions)]
    return SandboxProgress(size, portions, {load.source: load for load in complete})


def check(size: Size) -> None:
    """Raises NotASandboxError if a size's organization is someone else's."""
    organization = Organization.objects.filter(entity_id=size.entity_id).first()
    if organization and not organization.is_sandbox:
        raise NotASandboxError(
            f"{size.name} needs the entity ID {size.entity_id}, but {organization} is not a sandbox. It can't have "
            "synthetic claims. Choose another size, or use a separate database for sandboxes."
        )
    roster = _first_roster(size)
    if roster and roster.beneficiary_count != size.people:
        raise NotASandboxError(
            f"{size.name} needs {size.people:,} beneficiaries, but the first roster of {size.entity_id} "
            f"({roster.file_name}) has {roster.beneficiary_count:,}: it is not from this sandbox. Choose another size, "
            "or use a separate database for sandboxes."
        )


def make(
    size: Size,
    *,
    in_order: InOrder = map,
    on_progress: Callable[[float], None] = lambda _people: None,
    on_load: Callable[[], None] = lambda: None,
) -> SandboxProgress:
    """Make the missing parts of a sandbox: the organization, its roster, its claims, load by load.

    `on_progress` is called with the work that is done, in beneficiaries; `on_load` with each finished load. Raises
    NotASandboxError.
    """
    check(size)
    organization, _ = Organization.objects.get_or_create(
        entity_id=size.entity_id,
        defaults={"name": size.organization_name, "is_sandbox": True, **Organization.columns_of(size.program)},
    )
    if _first_roster(size) is None:
        _publish_roster(size, organization)
    for portion in standing(size).missing:
        load_synthetic_claims(
            synthetic.people(SEED, portion.people, start=portion.first_person),
            seed=SEED,
            start_date=portion.start_date,
            end_date=portion.end_date,
            with_partial_claims=size.with_partial_claims,
            source=portion.source,
            in_order=in_order,
            on_progress=partial(on_progress, portion.effort),
        )
        on_load()
    return standing(size)


@contextmanager
def alone(on_wait: Callable[[], None]) -> Iterator[None]:
    """Inside, no one else makes sandboxes in this database. `on_wait` is called if another run does now."""
    # Its own transaction holds the lock for the whole time: a session's lock would be lost behind PgBouncer.
    holder = connection.copy()
    holder.set_autocommit(False)
    try:
        with holder.cursor() as cursor:
            cursor.execute("SELECT set_config('idle_in_transaction_session_timeout', '0', TRUE)")
            cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [_MAKING_LOCK])
            if not cursor.fetchone()[0]:
                on_wait()
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_MAKING_LOCK])
        yield
    finally:
        holder.close()


def _every_version() -> set[int]:
    return {version.number for version in VERSIONS}


def _first_roster(size: Size) -> RosterFile | None:
    rosters = RosterFile.objects.filter(organization__entity_id=size.entity_id).published()
    return rosters.order_by("published_at", "pk").first()


def _publish_roster(size: Size, organization: Organization) -> None:
    now = timezone.now()
    archive = synthetic.cclf_archive(size.persons(), entity_id=size.entity_id, performance_year=now.year, timestamp=now)
    name = synthetic.cclf_archive_name(size.entity_id, now.year, now)
    load_roster(BytesIO(archive), file_name=name, by=Actor.of_command("make_sandbox"), organization=organization)


def _portions(size: Size, made_on: dt.date) -> Iterator[Portion]:
    """Return the period up to a month before the sandbox was made, and then the month."""
    first_day = dt.date(made_on.year - size.years, made_on.month, 1)
    edge = made_on - RECENT
    for start_date, end_date, effort in (first_day, edge, 1 - RECENT_EFFORT), (edge, made_on, RECENT_EFFORT):
        for first in range(0, size.people, size.people_a_load):
            people = min(size.people_a_load, size.people - first)
            whose = f"people {first + 1} to {first + people}"
            source = f"sandbox {size.name} ({size.entity_id}), {start_date} to {end_date}, {whose}"
            yield Portion(source, size.first_person + first, people, start_date, end_date, effort)


# --- Claims ---------------------------------------------------------------------------------------------------------


def load_synthetic_claims(
    people: Iterable[SyntheticPerson],
    *,
    seed: int,
    start_date: dt.date,
    end_date: dt.date,
    source: str,
    with_partial_claims: bool = False,
    versions: Iterable[int] | None = None,
    in_order: InOrder = map,
    on_progress: Callable[[], None] = lambda: None,
) -> Load:
    """Load the claims of `people` from `start_date` up to and not including `end_date`, in all API versions or these.

    The same seed gives the same claims; `on_progress` is called after each beneficiary. `in_order` can work in other
    processes (see `processes`): they make and compress the claims, and this process loads them. Raises
    UnknownBeneficiariesError for beneficiaries who are on no roster.
    """
    with loading(source) as under_way:
        work = partial(
            _packed,
            seed=seed,
            start_date=start_date,
            end_date=end_date,
            with_partial_claims=with_partial_claims,
            versions=sorted(_every_version() if versions is None else versions),
            last_updated=under_way.load.loaded_at,
        )
        for of_people in in_order(work, _tasks(people)):
            for mbi, packed in of_people:
                under_way.add_packed(mbi, packed)
                on_progress()
    return under_way.load


def arrivals(record: BeneficiaryRecord, *, version: int, last_updated: dt.datetime) -> Iterator[Arrival]:
    """Return the resources of one beneficiary, rendered in an API version and ready for the loader."""
    for resource in VERSIONS[version].render(record, last_updated=last_updated):
        yield Arrival(resource.resource_type, resource.id, line(resource.body), resource.service_date)


def _tasks(people: Iterable[SyntheticPerson]) -> Iterator[tuple[SyntheticPerson, ...]]:
    rest = iter(people)
    while some := tuple(islice(rest, PEOPLE_A_TASK)):
        yield some


def _packed(
    people: tuple[SyntheticPerson, ...], *, versions: Sequence[int], last_updated: dt.datetime, **knobs: Any
) -> list[tuple[str, list[Packed]]]:
    """Return the claims of some beneficiaries, by MBI; `knobs` are the generator's."""
    return [
        (person.mbi, _in_versions(beneficiary_record(person, **knobs), versions, last_updated)) for person in people
    ]


def _in_versions(record: BeneficiaryRecord, versions: Sequence[int], last_updated: dt.datetime) -> list[Packed]:
    return [
        packed
        for version in versions
        for packed in pack(arrivals(record, version=version, last_updated=last_updated), version=version)
    ]
