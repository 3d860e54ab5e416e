"""Old loads are merged, and no export can tell."""

import datetime as dt
import itertools

import pytest
from django.utils import timezone

from attribution import cohorts
from attribution.models import RosterFile
from exports import tasks
from exports.claims import splice
from exports.claims.compaction import compact
from exports.claims.cutting import ServiceDates, cut
from exports.claims.loader import resource_id
from exports.claims.undo import CannotTakeBackError, take_back
from exports.models import Chunk, Job, Load
from exports.pipeline import plan
from exports.sources import ClaimsStore, Selection
from tests.exports.store import arrival, load, patient, start

pytestmark = pytest.mark.django_db

AT_ONCE = dt.timedelta()
# Load -> the claims of earlier loads that it corrects.
CORRECTED = {4: [1], 7: [1], 8: [2]}


def eob(number: int, day: str = "2026-03-01", **more):
    period = {"start": day, "end": day}
    date = dt.date.fromisoformat(day)
    return arrival("ExplanationOfBenefit", f"e-{number}", service_date=date, billablePeriod=period, **more)


@pytest.fixture
def loads(world) -> list[Load]:
    """Ten loads for three people; some replace what earlier ones brought, one is taken back."""
    mbis = world.beneficiaries(3)
    world.roster(world.harbor, mbis, published_at=timezone.now() - dt.timedelta(days=1))
    made = []
    for number in range(10):
        day = f"2026-{number + 1:02}-01"
        made.append(
            load(
                {
                    mbi: [patient(mbi, month=number), eob(100 * who + number, day)]
                    + [eob(100 * who + claim, day, corrected=number) for claim in CORRECTED.get(number, ())]
                    for who, mbi in enumerate(mbis)
                    if number % (who + 1) == 0
                }
            )
        )
        if number == 5:
            made.append(take_back(made[-1]))
    return made


def everything(loads, *, as_of: Load | None = None) -> list[bytes]:
    """What exports hold, since before and after each load, with and without bounds on the service date."""
    moments = [moment for each in loads for moment in (each.loaded_at - dt.timedelta(microseconds=1), each.loaded_at)]
    bounds = [(None, None), (dt.date(2026, 4, 1), dt.date(2026, 8, 1))]
    types = ["Patient", "ExplanationOfBenefit"]
    return [export(*each, as_of or loads[-1]) for each in itertools.product(types, [None, *moments], bounds)]


def export(resource_type: str, since, bounds, as_of: Load) -> bytes:
    """The NDJSON of an export that goes by a load; what was planned is what comes."""
    selection = Selection(
        version=2,
        resource_type=resource_type,
        as_of_load_id=as_of.pk,
        cohort=cohorts.on_roster(RosterFile.objects.get()),
        since=since,
        claims_from_date=bounds[0],
        claims_through_date=bounds[1],
    )
    pieces = list(ClaimsStore().pieces(selection))
    parts = ClaimsStore().parts(selection, file_bytes=2**30)
    assert sum(part.raw_length for part in parts) == sum(piece.body.raw_length for piece in pieces)
    assert sum(part.resource_count for part in parts) == sum(piece.body.resource_count for piece in pieces)
    bodies = [cut(piece.body, ServiceDates(*bounds)) if piece.is_cut else piece.body for piece in pieces]
    ndjson = b"".join(splice.inflate(body.deflated) for body in bodies)
    assert len(ndjson) == sum(body.raw_length for body in bodies)
    return ndjson


def ids(ndjson: bytes) -> list[str]:
    return [resource_id(line) for line in ndjson.splitlines()]


def current() -> int:
    return Chunk.objects.filter(superseded_by=None).count()


def test_no_since_gives_anything_else_than_before(loads):
    before, rows = everything(loads), current()

    merged = compact(oldest_in_use=None, keep=AT_ONCE, worth=2)

    assert merged == 3
    assert current() < rows
    assert everything(loads) == before
    assert not Chunk.objects.exclude(superseded_by=None).exists()


@pytest.mark.parametrize("place", [0, 4, 6, 8])
def test_exports_that_go_by_an_earlier_load_give_the_same_bytes(loads, place):
    in_use = loads[place::4]
    before = [everything(loads, as_of=each) for each in in_use]

    compact(oldest_in_use=loads[place].pk, keep=AT_ONCE, worth=2)

    assert [everything(loads, as_of=each) for each in in_use] == before


def test_the_oldest_load_in_use_is_that_of_a_job_under_way(world, loads):
    assert Job.objects.unfinished().oldest_load() is None
    job = start(world.harbor)
    plan.plan(job.pk)
    load({})

    assert Job.objects.unfinished().oldest_load() == loads[-1].pk


def test_loads_that_can_still_be_taken_back_are_left_alone(loads):
    rows = Chunk.objects.count()

    assert compact(oldest_in_use=None) == 0

    assert Chunk.objects.count() == rows
    take_back(loads[-1])


def test_merged_loads_are_closed_and_replaced_resources_come_out_of_them_as_ever(loads):
    compact(oldest_in_use=None, keep=AT_ONCE, worth=2)

    with pytest.raises(CannotTakeBackError, match="merged"):
        take_back(loads[-1])
    mbi = Chunk.objects.earliest("beneficiary_id").beneficiary.mbis.get().value
    after = load({mbi: [eob(0, corrected="again"), eob(77)]})

    newer, whole = (
        ids(export("ExplanationOfBenefit", since, (None, None), after)) for since in (loads[-1].loaded_at, None)
    )
    assert newer == ["e-0", "e-77"]
    assert len(whole) == len(set(whole))
    assert take_back(after)


def test_merging_twice_merges_once(loads):
    compact(oldest_in_use=None, keep=AT_ONCE, worth=2)
    rows = set(Chunk.objects.values_list("pk", flat=True))

    assert compact(oldest_in_use=None, keep=AT_ONCE, worth=2) == 0

    assert set(Chunk.objects.values_list("pk", flat=True)) == rows


def test_the_daily_task_merges_what_is_old(loads, settings):
    settings.CLAIMS_UNDO = AT_ONCE
    before = everything(loads)

    tasks.compact()

    assert Load.objects.filter(closed_at=None).count() == 0
    assert everything(loads) == before
