"""Sandboxes have every version of the API; one that was added later comes with the next run."""

import datetime as dt

import pytest

from attribution import synthetic
from attribution.models import Beneficiary, Mbi
from attribution.synthetic import SyntheticPerson
from exports.claims import splice
from exports.intake import sandbox
from exports.models import Chunk, Load
from exports.versions import VERSIONS
from tests.exports.intake.sandbox.tiny_sandboxes import TINY
from tests.toys.version import VERSION as V9


@pytest.fixture
def nine(monkeypatch):
    """Adds version 9, for a test."""
    return lambda: monkeypatch.setitem(VERSIONS._entries, 9, V9)


def known(count: int) -> list[SyntheticPerson]:
    """Synthetic people with their beneficiaries."""
    people = list(synthetic.people(sandbox.SEED, count))
    for person in people:
        Mbi.objects.create(value=person.mbi, beneficiary=Beneficiary.objects.create())
    return people


def current(version: int) -> dict[str, int]:
    found: dict[str, int] = {}
    for chunk in Chunk.objects.filter(version=version, superseded_by=None):
        found[chunk.resource_type] = found.get(chunk.resource_type, 0) + chunk.resource_count
    return found


def test_a_load_has_every_version_and_each_renders_for_itself(db, nine):
    people = known(3)
    nine()

    load = sandbox.load_synthetic_claims(
        people, seed=1, start_date=dt.date(2025, 1, 1), end_date=dt.date(2026, 1, 1), source="a test"
    )

    assert load.api_versions == [2, 9]
    assert current(9) == {name: current(2)[name] for name in ("Patient", "ExplanationOfBenefit")}
    bodies = [splice.inflate(chunk.body) for chunk in Chunk.objects.filter(version=9)]
    assert all(b'"id":"nine-' in body for body in bodies)


def test_only_the_versions_that_are_asked_for(db, nine):
    people = known(1)
    nine()

    load = sandbox.load_synthetic_claims(
        people, seed=1, start_date=dt.date(2025, 1, 1), end_date=dt.date(2026, 1, 1), source="a test", versions=[9]
    )

    assert load.api_versions == [9]
    assert current(2) == {}


def test_a_version_that_was_added_later_comes_with_the_next_run(db, nine):
    sandbox.make(TINY)
    before = current(2)
    nine()

    assert len(sandbox.standing(TINY).missing) == 6
    after = sandbox.make(TINY)

    assert after.missing == []
    assert current(2) == before
    assert current(9)["Patient"] == before["Patient"]
    assert Load.objects.count() == 12
    edge = after.portions[-1].start_date
    late = Chunk.objects.filter(last_service_date__gte=edge, superseded_by=None)
    assert not late.filter(last_updated__lte=after.since).exists()
    assert len(sandbox.make(TINY).loads) == 6
    assert Load.objects.count() == 12
