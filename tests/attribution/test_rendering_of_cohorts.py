"""A cohort as SQL, as a queryset, as a number, and reckoned here: four times the same people."""

import itertools
from dataclasses import replace

import pytest
from django.db import connection

from attribution import cohorts
from attribution.cohorts import Cohort, Population
from attribution.consent.opt_outs import Consent
from attribution.models import Mbi
from tests.attribution.consent.files import say
from tests.services import REPOSITORY

# Who of six people is on which of four rosters: each roster cuts the others.
ON = [{0, 1, 2, 3}, {2, 3, 4}, {1, 3, 5}, set()]


@pytest.fixture
def rosters(world) -> list[tuple[int, set[int]]]:
    """The rosters' keys, and the keys of those on them."""
    mbis = world.beneficiaries(6)
    key_of = dict(Mbi.objects.values_list("value", "beneficiary_id"))
    return [(world.roster(world.harbor, [mbis[n] for n in on]).pk, {key_of[mbis[n]] for n in on}) for on in ON]


def every_cohort(rosters, *, returned=()):
    """Each way to choose some rosters, to subtract some, to compare with one or none, and to narrow; and who it is."""
    choices = [*itertools.chain.from_iterable(itertools.combinations(rosters, size) for size in range(3))]
    for chosen, subtracted in itertools.product(choices, repeat=2):
        for earlier, population in itertools.product([None, *rosters], Population):
            people = set().union(*(on for _, on in chosen)) - set().union(*(on for _, on in subtracted))
            on_earlier = (earlier[1] if earlier else set()) - set(returned)
            if population == Population.EXISTING:
                people &= on_earlier
            elif population == Population.NEWLY_ATTRIBUTED:
                people -= on_earlier
            elif population == Population.RETURNED:
                people &= set(returned)
            cohort = Cohort(
                rule="made up",
                roster_ids=tuple(key for key, _ in chosen),
                subtracted_roster_ids=tuple(key for key, _ in subtracted),
                earlier_roster_id=earlier[0] if earlier else None,
                has_newly_attributed=True,
                returned_ids=returned,
            )
            yield cohort.narrowed_to(population), people


def as_sql(cohort: Cohort) -> list[int]:
    it = cohort.rendered()
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT entry.beneficiary_id FROM {it.tables} WHERE {it.condition} AND NOT ({it.withheld})", it.values
        )
        return [key for (key,) in cursor.fetchall()]


def test_sql_queryset_and_count_are_the_same_people_and_the_right_ones(rosters):
    made_up = list(every_cohort(rosters))

    for cohort, people in made_up:
        assert sorted(as_sql(cohort)) == sorted(people), cohort
        assert sorted(cohort.beneficiaries().values_list("pk", flat=True)) == sorted(people), cohort
    counts = cohorts.counts({number: cohort for number, (cohort, _) in enumerate(made_up)})
    assert counts == {number: len(people) for number, (_, people) in enumerate(made_up)}


def test_whoever_returned_counts_as_newly_attributed(rosters):
    returned = tuple(sorted(rosters[0][1]))[:2]

    for cohort, people in every_cohort(rosters[:3], returned=returned):
        assert sorted(as_sql(cohort)) == sorted(people), cohort
        assert cohort.count() == len(people)


def test_without_newly_attributed_ones_only_those_who_returned_are_new(rosters):
    cohort = Cohort("made up", (rosters[0][0],), returned_ids=(min(rosters[0][1]),))

    new, others = (cohort.narrowed_to(each) for each in (Population.NEWLY_ATTRIBUTED, Population.EXISTING))

    assert as_sql(new) == [min(rosters[0][1])]
    assert sorted(as_sql(others)) == sorted(rosters[0][1])[1:]


def test_whoever_opted_out_is_left_out_of_all_of_them_at_one_place(rosters):
    opted_out = set(Mbi.objects.order_by("value").values_list("beneficiary_id", flat=True)[1:4])
    for mbi in Mbi.objects.filter(beneficiary__in=opted_out):
        say(mbi.value, "N")

    for cohort, people in every_cohort(rosters[:3]):
        left = sorted(people - opted_out)
        assert sorted(as_sql(cohort)) == left
        assert sorted(cohort.beneficiaries().values_list("pk", flat=True)) == left
        assert cohort.count() == len(left)
        assert cohort.withheld_count() == len(people & opted_out)
        assert replace(cohort, consent=Consent(honors_opt_outs=False)).count() == len(people)


def test_a_cohort_without_a_roster_is_nobody(db):
    assert as_sql(Cohort("none", ())) == []
    assert Cohort("none", ()).count() == 0
    assert cohorts.counts({}) == {}


def test_nothing_outside_attribution_joins_the_entries_of_rosters():
    for package in ("exports", "portal", "credentials"):
        for path in (REPOSITORY / package).rglob("*.py"):
            assert "rosterentr" not in path.read_text().lower().replace("_", ""), path
