"""A load holds several API versions, and variants of them, and none of it gets into the export of another."""

import datetime as dt

import pytest
from django.utils import timezone

from attribution import cohorts
from attribution.models import Mbi, RosterFile
from exports.claims import splice
from exports.claims.compaction import compact
from exports.claims.loader import PatientOfAnotherError, loading, pack
from exports.claims.models import FULL, Series
from exports.claims.undo import take_back
from exports.models import Chunk, Deletion, Load, PatientIdentity
from exports.sources import SOURCES, Content, Selection
from tests.exports.store import arrival, load

AT_ONCE = dt.timedelta(0)
# (API version, variant) of what the tests load.
OURS, OTHER_VERSION, OTHER_VARIANT = (2, FULL), (9, FULL), (2, "basis")
ALL = (OURS, OTHER_VERSION, OTHER_VARIANT)


@pytest.fixture
def mbi(world) -> str:
    (mbi,) = world.beneficiaries(1)
    world.roster(world.harbor, [mbi], published_at=timezone.now() - dt.timedelta(days=1))
    return mbi


def note(text: str, *numbers: int):
    return [arrival("ExplanationOfBenefit", f"e-{number}", note=text) for number in numbers]


def load_all(mbi: str, text: str, *numbers: int, series=ALL) -> Load:
    """A load that has the same resource ids in several versions and variants; each says which it is."""
    packed = [
        each
        for version, variant in series
        for each in pack(note(f"{text} {version} {variant}", *numbers), version=version, variant=variant)
    ]
    with loading("a test") as under_way:
        under_way.add_packed(mbi, packed)
    return under_way.load


STORE = SOURCES["store"]


def exported(version: int, variant: str, *, since=None, source: Content = STORE) -> bytes:
    selection = Selection(
        version=version,
        variant=variant,
        resource_type="ExplanationOfBenefit",
        as_of_load_id=Load.objects.latest("id").pk,
        cohort=cohorts.on_roster(RosterFile.objects.get()),
        since=since,
    )
    return b"".join(splice.inflate(piece.body.deflated) for piece in source.pieces(selection))


def everything() -> list[list[bytes]]:
    return [sorted(exported(*each).splitlines()) for each in ALL]


def test_each_export_has_its_own_version_and_variant(mbi):
    made = load_all(mbi, "first", 1, 2)

    for version, variant in ALL:
        lines = exported(version, variant).splitlines()
        assert len(lines) == 2
        assert all(f"first {version} {variant}".encode() in line for line in lines)
    assert (made.versions, made.version) == ([2, 9], None)
    assert made.resource_count == 6


def test_a_resource_replaces_only_that_of_its_own_version_and_variant(mbi):
    first = load_all(mbi, "first", 1, 2)

    second = load_all(mbi, "second", 2, series=[OURS])

    assert [b"second" in line for line in sorted(exported(*OURS).splitlines())] == [False, True]
    assert b"second" not in exported(*OTHER_VERSION) + exported(*OTHER_VARIANT)
    assert [(each.version, each.variant) for each in Deletion.objects.all()] == [OURS]
    assert exported(*OTHER_VERSION, since=first.loaded_at) == b""
    assert (second.versions, second.version) == ([2], 2)


@pytest.mark.parametrize("is_merged_before", [False, True])
def test_a_load_of_several_versions_is_reverted_as_one(mbi, is_merged_before):
    load_all(mbi, "first", 1, 2)
    second = load_all(mbi, "second", 3)
    if is_merged_before:
        assert compact(oldest_in_use=None, keep=AT_ONCE, worth=2) == 3
    before = everything()
    wrong = load_all(mbi, "wrong", 2, 4)

    undoing = take_back(wrong)

    assert everything() == before
    assert undoing.versions == [2, 9]
    assert second.pk < wrong.pk < undoing.pk


def test_whoever_saw_a_reverted_load_learns_of_it_in_each_version(mbi):
    load_all(mbi, "first", 1)
    wrong = load_all(mbi, "wrong", 2)

    take_back(wrong)

    for version, variant in ALL:
        assert b"ExplanationOfBenefit/e-2" in exported(version, variant, since=wrong.loaded_at, source=STORE.removals)


def test_merging_keeps_versions_and_variants_apart(mbi):
    for number in range(4):
        load_all(mbi, f"load {number}", number)
    before = everything()

    assert compact(oldest_in_use=None, keep=AT_ONCE) == len(ALL)

    assert everything() == before
    assert Chunk.objects.count() == len(ALL)


def test_a_patient_id_belongs_to_one_beneficiary_in_each_version(world, mbi):
    (another,) = world.beneficiaries(1)
    patient = [arrival("Patient", "p-1")]
    load({mbi: patient})

    with loading("a test") as under_way:
        under_way.add(another, patient, version=9)
    with pytest.raises(PatientOfAnotherError), loading("a test") as under_way:
        under_way.add(mbi, patient, version=9)

    assert PatientIdentity.objects.count() == 2


def test_what_was_removed_from_a_variant_is_told_to_its_clients_alone(mbi):
    first = load_all(mbi, "first", 1)
    load_all(mbi, "second", 2, 3, series=[OTHER_VARIANT, OURS])
    load_all(mbi, "third", 4, series=[OTHER_VARIANT])

    with loading("it removes one of each") as under_way:
        owner = Mbi.objects.get(value=mbi).beneficiary_id
        of_basis, of_full = (Series(2, "ExplanationOfBenefit", variant) for variant in ("basis", FULL))
        under_way.correct(owner, [], {of_basis: frozenset({"e-2", "e-4"}), of_full: frozenset({"e-3"})})

    def told(*series) -> bytes:
        return exported(*series, since=first.loaded_at, source=STORE.removals)

    # Each still has what the other one has lost.
    assert (b"e-2" in told(*OTHER_VARIANT), b"e-3" in told(*OTHER_VARIANT)) == (True, False)
    assert (b"e-2" in told(*OURS), b"e-3" in told(*OURS)) == (False, True)
    # It never had this one.
    assert (b"e-4" in told(*OTHER_VARIANT), b"e-4" in told(*OURS)) == (True, False)


def test_only_the_series_that_is_worth_it_is_merged(mbi):
    for number in range(4):
        load_all(mbi, "load", number, series=[OURS] if number % 2 else [OURS, OTHER_VARIANT])

    assert compact(oldest_in_use=None, keep=AT_ONCE) == 1

    assert Chunk.objects.filter(variant=FULL).count() == 1
    assert Chunk.objects.filter(variant="basis").count() == 2
