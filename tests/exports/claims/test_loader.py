import datetime as dt

import pytest

from exports.claims import splice
from exports.claims.loader import UnknownBeneficiariesError, loading
from exports.models import Chunk, Load
from tests.exports.store import arrival, load, patient


def current_ids(resource_type: str = "ExplanationOfBenefit") -> list[str]:
    chunks = Chunk.objects.filter(superseded_by=None, resource_type=resource_type).order_by("last_updated")
    lines = [line for chunk in chunks for line in splice.inflate(chunk.body).splitlines()]
    return [line.decode().split('"id": "')[1].split('"')[0] for line in lines]


def eob(number: int, **more):
    return arrival("ExplanationOfBenefit", f"e-{number}", **more)


def test_a_load_makes_one_chunk_for_each_beneficiary_and_type(world):
    one, two = world.beneficiaries(2)

    made = load({one: [patient(one), eob(1), eob(2)], two: [patient(two)]})

    assert Chunk.objects.count() == 3
    chunk = Chunk.objects.get(resource_type="ExplanationOfBenefit")
    assert (chunk.resource_count, chunk.load, chunk.last_updated) == (2, made, made.loaded_at)
    assert chunk.raw_length == len(splice.inflate(chunk.body))
    made.refresh_from_db()
    assert made.resource_count == 4


def test_a_replaced_resource_is_taken_out_of_its_old_chunk(world):
    (one,) = world.beneficiaries(1)
    first = load({one: [eob(1), eob(2)]})

    second = load({one: [eob(2), eob(3)]})

    assert current_ids() == ["e-1", "e-2", "e-3"]
    old = Chunk.objects.get(superseded_by=second)
    assert (old.load, old.resource_count) == (first, 2)
    kept = Chunk.objects.get(superseded_by=None, last_updated=first.loaded_at)
    assert (kept.load, kept.resource_count) == (second, 1)


def test_a_chunk_that_is_replaced_whole_leaves_nothing(world):
    (one,) = world.beneficiaries(1)
    load({one: [patient(one, name="old")]})

    load({one: [patient(one, name="new")]})

    (chunk,) = Chunk.objects.filter(superseded_by=None)
    assert b"new" in splice.inflate(chunk.body)


def test_a_chunk_may_lose_resources_to_several_loads(world):
    (one,) = world.beneficiaries(1)
    load({one: [eob(number) for number in range(1, 6)]})

    for number in (1, 3, 5):
        load({one: [eob(number)]})

    assert current_ids() == ["e-2", "e-4", "e-1", "e-3", "e-5"]


def test_claims_for_someone_whom_no_roster_has_named_are_refused_whole(world):
    (one,) = world.beneficiaries(1)

    with pytest.raises(UnknownBeneficiariesError, match="number 2 of the load"):
        load({one: [patient(one)], "1S00A00ZZ99": [patient("1S00A00ZZ99")]})

    assert not Load.objects.exists()
    assert not Chunk.objects.exists()


def test_a_load_that_fails_half_way_leaves_nothing(world):
    mbis = world.beneficiaries(3)

    with pytest.raises(RuntimeError, match="power failure"):
        _load_and_fail(mbis)

    assert not Load.objects.exists()
    assert not Chunk.objects.exists()


def _load_and_fail(mbis):
    with loading("a test") as under_way:
        for mbi in mbis:
            under_way.add(mbi, [patient(mbi)], version=2)
        under_way.write()
        raise RuntimeError("power failure")


def test_loads_follow_each_other_even_when_the_clock_is_set_back(world, monkeypatch):
    (one,) = world.beneficiaries(1)
    first = load({one: [eob(1)]})
    monkeypatch.setattr("exports.claims.loader.timezone.now", lambda: first.loaded_at.replace(year=2020))

    second = load({one: [eob(2)]})

    assert second.loaded_at > first.loaded_at


def test_a_chunk_knows_the_days_of_its_services(world):
    (one,) = world.beneficiaries(1)

    load({one: [eob(1, service_date=dt.date(2025, 3, 1)), eob(2, service_date=dt.date(2024, 7, 9))]})

    chunk = Chunk.objects.get()
    assert (chunk.first_service_date, chunk.last_service_date) == (dt.date(2024, 7, 9), dt.date(2025, 3, 1))
