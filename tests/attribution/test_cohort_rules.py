"""Rules decide whose claims an export has. A mistake in one gives nobody the beneficiaries of another organization."""

from dataclasses import replace

import pytest

from attribution.cohorts import ALL, COHORT_RULES, Cohort, CohortRule, ForeignRosterError
from attribution.models import RosterFile
from credentials.registry import TakenKeyError
from exports.models import Job
from tests.exports.store import load, patient, start
from tests.toys import cohort as toy


def rule(decide) -> CohortRule:
    return CohortRule("made-up", "a test", "A test.", decide=lambda *_: decide)


@pytest.mark.parametrize("place", ["roster_ids", "subtracted_roster_ids", "earlier_roster_id"])
def test_a_rule_that_names_the_roster_of_another_organization_starts_nothing(world, place):
    ours, theirs = (world.roster(one, world.beneficiaries(1)) for one in (world.harbor, world.mesa))
    wrong = replace(Cohort("x", (ours.pk,)), **{place: theirs.pk if place == "earlier_roster_id" else (theirs.pk,)})

    with pytest.raises(ForeignRosterError):
        start(world.harbor, scope=Job.Scope.GROUP_ALL, rule=rule(wrong))

    assert not Job.objects.exists()


def test_neither_does_one_that_names_a_refused_roster(world):
    ours = world.roster(world.harbor, world.beneficiaries(1))
    RosterFile.objects.filter(pk=ours.pk).update(status=RosterFile.Status.REFUSED)

    with pytest.raises(ForeignRosterError):
        rule(Cohort("x", (ours.pk,))).cohort_of(world.harbor, None)


def test_a_job_has_the_cohort_that_its_rule_decided_when_it_started(world):
    first, second, third = (world.roster(world.harbor, world.beneficiaries(2)) for _ in range(3))
    load({mbi: [patient(mbi)] for mbi in world.beneficiaries(1)})
    decided = Cohort("x", (third.pk, second.pk), subtracted_roster_ids=(first.pk,), earlier_roster_id=first.pk)

    job = start(world.harbor, scope=Job.Scope.GROUP_ALL, rule=rule(decided))

    assert Job.objects.get(pk=job.pk).cohort == replace(decided, rule="made-up")
    assert job.endpoint == "Group/made-up"


@pytest.mark.parametrize("group_id", ["", "All", "a/b", "..", "a b", "a" * 33, "ä"])
def test_a_group_id_can_stand_in_a_url_and_in_the_job(group_id):
    with pytest.raises(ValueError, match="can't be a group ID"):
        CohortRule(group_id, "a test", "A test.", decide=lambda *_: None)


def test_two_rules_cannot_have_one_group_id():
    with pytest.raises(TakenKeyError):
        COHORT_RULES.add(replace(ALL, title="another"))


def test_the_toy_is_everyone_who_was_not_there_before(world):
    assert toy.RULE.cohort_of(world.harbor, None) is None
    world.roster(world.harbor, world.beneficiaries(2))
    assert toy.RULE.cohort_of(world.harbor, None).count() == 2
