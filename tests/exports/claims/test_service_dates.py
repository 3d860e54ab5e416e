"""Which claims an organization may see: a bound on the service date, even where it cuts through a chunk."""

import datetime as dt
import gzip
from collections import Counter
from pathlib import Path

import pytest
from django.core.files.storage import storages

from exports import storage
from exports.claims import splice
from exports.fhir.common.lines import SERVICE_DATED, service_date
from exports.intake.sandbox import arrivals
from exports.models import Chunk, Job
from tests.exports import made_up
from tests.exports.store import arrival, exported, load, patient, run, start

pytestmark = pytest.mark.usefixtures("unhurried")


def claim(number: int, day: str | None, **more):
    period = {"billablePeriod": {"start": day, "end": day}} if day else {}
    date = dt.date.fromisoformat(day) if day else None
    return arrival("ExplanationOfBenefit", f"e-{number}", service_date=date, **period, **more)


def export(organization, **bounds) -> Job:
    job = start(organization)
    Job.objects.filter(pk=job.pk).update(**bounds)
    return run(job)


@pytest.fixture
def three_claims(world) -> str:
    (mbi,) = world.beneficiaries(1)
    world.roster(world.harbor, [mbi])
    load({mbi: [patient(mbi), claim(1, "2024-01-31"), claim(2, "2024-12-31"), claim(3, "2025-01-01")]})
    return mbi


@pytest.mark.parametrize(
    ("bounds", "ids"),
    [
        ({}, ["e-1", "e-2", "e-3"]),
        ({"claims_from_date": dt.date(2024, 12, 31)}, ["e-2", "e-3"]),
        ({"claims_through_date": dt.date(2024, 12, 31)}, ["e-1", "e-2"]),
        ({"claims_from_date": dt.date(2024, 2, 1), "claims_through_date": dt.date(2024, 12, 31)}, ["e-2"]),
    ],
)
def test_bounds_include_their_days_and_leave_patients_alone(world, three_claims, bounds, ids):
    job = export(world.harbor, **bounds)

    assert exported(job) == {"Patient": [f"p-{three_claims}"], "ExplanationOfBenefit": ids}


def test_a_file_of_which_nothing_is_left_is_not_in_the_manifest(world, three_claims):
    between = {"claims_from_date": dt.date(2024, 2, 1), "claims_through_date": dt.date(2024, 2, 2)}

    job = export(world.harbor, **between)

    assert job.status == Job.Status.COMPLETED
    assert exported(job) == {"Patient": [f"p-{three_claims}"]}
    folder = Path(storages["exports"].path(str(job.pk)))
    assert [path.name for path in folder.iterdir()] == [job.files.get().name]


def test_a_claim_without_a_day_is_in_no_bounds(world):
    (mbi,) = world.beneficiaries(1)
    world.roster(world.harbor, [mbi])
    load({mbi: [claim(1, "2025-03-01"), claim(2, None)]})

    bounded = export(world.harbor, claims_from_date=dt.date(2020, 1, 1))
    unbounded = export(world.harbor)

    assert exported(bounded) == {"ExplanationOfBenefit": ["e-1"]}
    assert exported(unbounded) == {"ExplanationOfBenefit": ["e-1", "e-2"]}


def test_chunks_outside_the_bounds_are_not_read_and_those_inside_not_inflated(world, monkeypatch):
    mbis = world.beneficiaries(3)
    world.roster(world.harbor, mbis)
    days = ("2023-06-01", "2025-06-01", "2026-06-01")
    load({mbi: [claim(number, day)] for number, (mbi, day) in enumerate(zip(mbis, days, strict=True))})
    load({mbis[2]: [claim(8, "2024-01-01"), claim(9, "2026-06-01")]})
    real, inflated = splice.inflate, []
    monkeypatch.setattr(splice, "inflate", lambda body: inflated.append(body) or real(body))

    job = export(world.harbor, claims_from_date=dt.date(2025, 1, 1))

    assert exported(job) == {"ExplanationOfBenefit": ["e-1", "e-2", "e-9"]}
    assert len(inflated) == 1
    assert job.shards.get(resource_type="ExplanationOfBenefit").resource_count == 4


def test_an_organization_with_a_lookback_sees_no_older_claim(world):
    ours, theirs = world.beneficiaries(2)
    world.roster(world.mesa, [ours])
    world.roster(world.harbor, [theirs])
    today = dt.datetime.now(dt.UTC).date()
    old, new = f"{today.year - 9}-05-05", f"{today.year - 1}-05-05"
    load({mbi: [claim(number, old), claim(number + 2, new)] for number, mbi in enumerate((ours, theirs))})

    # ACO REACH looks back three years; the Shared Savings Program all the way.
    assert exported(export(world.mesa)) == {"ExplanationOfBenefit": ["e-2"]}
    assert exported(export(world.harbor)) == {"ExplanationOfBenefit": ["e-1", "e-3"]}


def test_what_is_cut_is_still_one_gzip_member_with_every_byte_as_it_was(world):
    mbi = world.beneficiaries(1)[0]
    world.roster(world.harbor, [mbi])
    rendered = [*arrivals(made_up.record(1), version=2, last_updated=made_up.LAST_UPDATED)]
    load({mbi: rendered})
    first = dt.date(2025, 1, 1)

    job = export(world.harbor, claims_from_date=first)

    claims = [each for each in rendered if each.resource_type == "ExplanationOfBenefit"]
    kept = [each.line for each in claims if each.service_date >= first]
    assert 0 < len(kept) < len(claims)
    file = job.files.get(resource_type="ExplanationOfBenefit")
    with storage.opened(job.pk, file.name) as stored:
        assert gzip.decompress(stored.read()) == b"".join(kept)
    assert (file.resource_count, file.raw_length) == (len(kept), sum(map(len, kept)))


def test_every_rendered_claim_tells_its_day():
    told = Counter()
    for number in range(40):
        record = made_up.record(number, with_partial_claims=True)
        for each in arrivals(record, version=2, last_updated=made_up.LAST_UPDATED):
            if each.resource_type in SERVICE_DATED:
                assert service_date(each.line) == each.service_date
                told[each.resource_type] += 1

    assert set(told) == SERVICE_DATED


@pytest.mark.parametrize(
    ("period", "day"),
    [
        ({"start": "2024-03-01", "end": "2024-03-09"}, dt.date(2024, 3, 9)),
        ({"start": "2024-03-01"}, dt.date(2024, 3, 1)),
        ({"end": "2024-02"}, dt.date(2024, 2, 29)),
        ({"end": "2024-12"}, dt.date(2024, 12, 31)),
        ({"end": "2024"}, dt.date(2024, 12, 31)),
        ({"end": "2024-03-09T23:00:00-05:00"}, dt.date(2024, 3, 9)),
        ({}, None),
    ],
)
def test_the_day_of_a_claim_is_the_last_that_it_may_be(period, day):
    assert service_date(arrival("Claim", "c", billablePeriod=period).line) == day


def test_a_chunk_of_which_one_resource_has_no_day_has_no_range(world):
    (mbi,) = world.beneficiaries(1)

    load({mbi: [claim(1, "2025-03-01"), claim(2, None)]})

    assert list(Chunk.objects.values_list("first_service_date", "last_service_date")) == [(None, None)]


@pytest.mark.parametrize(
    "line",
    [
        b'{"id":"1","billablePeriod":{"start":"2024-03-01","end":"2024-03-09"}}\n',
        b'{"id":"1", "billablePeriod": {"start": "2024-03-01", "end": "2024-03-09"}}\n',
        b'{"id":"1","billablePeriod":{"end":"2024-03-09","start":"2024-03-01"}}\n',
        b'{"contained":[{"billablePeriod":{"end":"2030-01-01"}}],"billablePeriod":{"end":"2024-03-09"}}\n',
        b'{"contained":[{"billablePeriod":{"end":"2030-01-01"}}],"billablePeriod": {"end":"2024-03-09"}}\n',
        b'{"note":"\\"billablePeriod\\":{\\"end\\":\\"2030-01-01","billablePeriod":{"end":"2024-03-09"}}\n',
    ],
)
def test_the_day_is_found_however_the_line_is_written(line):
    assert service_date(line) == dt.date(2024, 3, 9)


def test_the_period_of_what_is_contained_is_not_the_claims_whatever_braces_the_words_hold():
    inner = b'{"resourceType":"Claim","note":"a brace }","billablePeriod":{"start":"2020-01-01","end":"2020-01-31"}}'
    line = (
        b'{"resourceType":"ExplanationOfBenefit","id":"e","contained":[' + inner + b"],"
        b'"billablePeriod":{"start":"2024-03-01","end":"2024-03-09"}}'
    )

    assert service_date(line) == dt.date(2024, 3, 9)
