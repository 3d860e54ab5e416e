"""The manifest's `deleted` list: a client that comes back is told of what is gone, and of nothing else."""

import datetime as dt

import pytest
from django.utils import timezone

from exports.api.manifest import manifest
from exports.claims.undo import take_back
from exports.models import Job, Load, Shard
from exports.pipeline import finish, plan
from exports.pipeline.plan import pieces_of
from exports.sources import deletions
from tests.exports.store import arrival, deleted, exported, load, patient, run, start
from tests.exports.turn import take_and_write

pytestmark = pytest.mark.usefixtures("unhurried")

YESTERDAY = dt.timedelta(days=1)


def eob(number: int, **more):
    return arrival("ExplanationOfBenefit", f"e-{number}", **more)


def eob_until(day: str | None, number: int):
    return eob(number, **({"billablePeriod": {"end": day}} if day else {}))


def since_the_first(organization, **more) -> Job:
    """An export of a client that has all of the first load."""
    first = Load.objects.earliest("id")
    return run(start(organization, since=first.loaded_at, **more))


@pytest.fixture
def people(world) -> list[str]:
    """Three people of Harbor's, of whom a first load told."""
    mbis = world.beneficiaries(3)
    world.roster(world.harbor, mbis, published_at=timezone.now() - YESTERDAY)
    load({mbi: [patient(mbi), eob(10 * place)] for place, mbi in enumerate(mbis, 1)})
    return mbis


def test_what_is_gone_is_told_to_whoever_comes_back(world, people):
    wrong = load({people[0]: [eob(10, wrong=True), eob(11), eob(12)], people[2]: [eob(31)]})
    seen = run(start(world.harbor, since=Load.objects.earliest("id").loaded_at))

    take_back(wrong)
    job = run(start(world.harbor, since=seen.transaction_time))

    assert deleted(seen) == {}
    assert exported(job) == {"ExplanationOfBenefit": ["e-10"]}
    assert deleted(job) == {
        "ExplanationOfBenefit": [
            ["ExplanationOfBenefit/e-11", "ExplanationOfBenefit/e-12"],
            ["ExplanationOfBenefit/e-31"],
        ]
    }


def test_the_manifest_lists_it_only_where_something_is_gone(world, people):
    wrong = load({people[0]: [eob(11)]})
    seen = since_the_first(world.harbor)
    take_back(wrong)

    told = manifest(since_the_first(world.harbor), url_of=lambda file: f"https://gate.example/{file.name}")
    of_all = manifest(run(start(world.harbor)), url_of=str)

    assert "deleted" not in manifest(seen, url_of=str)
    assert "deleted" not in of_all
    assert list(told) == [
        *("transactionTime", "request", "requiresAccessToken"),
        *("output", "deleted", "error", "JobID"),
    ]
    [entry] = told["deleted"]
    assert (entry["type"], entry["count"]) == ("Bundle", 1)
    assert entry["url"].startswith("https://gate.example/")
    assert told["output"] == []


def test_what_came_again_is_not_gone(world, people):
    take_back(load({people[0]: [eob(11), eob(12)]}))
    load({people[0]: [eob(12)]})

    job = since_the_first(world.harbor)

    assert exported(job) == {"ExplanationOfBenefit": ["e-12"]}
    assert deleted(job) == {"ExplanationOfBenefit": [["ExplanationOfBenefit/e-11"]]}


def test_what_was_gone_twice_is_told_once(world, people):
    for _ in range(2):
        take_back(load({people[0]: [eob(11)]}))

    assert deleted(since_the_first(world.harbor)) == {"ExplanationOfBenefit": [["ExplanationOfBenefit/e-11"]]}


def test_whoever_comes_after_it_is_not_told(world, people):
    undoing = take_back(load({people[0]: [eob(11)]}))

    assert deleted(run(start(world.harbor, since=undoing.loaded_at))) == {}


def test_nobody_is_told_of_anothers_people(world, people):
    (theirs,) = world.beneficiaries(1)
    world.roster(world.mesa, [theirs], published_at=timezone.now() - YESTERDAY)
    lately = timezone.localdate().isoformat()  # Mesa's model looks back some years only
    take_back(load({people[0]: [eob(11)], theirs: [eob_until(lately, 91)]}))

    assert deleted(since_the_first(world.harbor)) == {"ExplanationOfBenefit": [["ExplanationOfBenefit/e-11"]]}
    assert deleted(since_the_first(world.mesa)) == {"ExplanationOfBenefit": [["ExplanationOfBenefit/e-91"]]}


def test_of_whom_has_left_the_roster_nothing_is_told(world, people):
    take_back(load({people[0]: [eob(11)], people[1]: [eob(21)]}))
    world.roster(world.harbor, people[1:])

    assert deleted(since_the_first(world.harbor)) == {"ExplanationOfBenefit": [["ExplanationOfBenefit/e-21"]]}


def test_of_types_that_were_not_asked_for_nothing_is_told(world, people):
    take_back(load({people[0]: [eob(11), arrival("Coverage", "c-1")]}))

    job = since_the_first(world.harbor, resource_types=("Patient", "Coverage"))

    assert deleted(job) == {"Coverage": [["Coverage/c-1"]]}


def test_in_group_exports_only_those_are_told_of_who_were_on_the_earlier_roster(world, people):
    (new,) = world.beneficiaries(1)
    take_back(load({people[0]: [eob(11)], new: [eob(91)]}))
    world.roster(world.harbor, [*people, new])

    of_group = since_the_first(world.harbor, scope=Job.Scope.GROUP_ALL)
    of_patients = since_the_first(world.harbor)

    assert deleted(of_group) == {"ExplanationOfBenefit": [["ExplanationOfBenefit/e-11"]]}
    assert len(deleted(of_patients)["ExplanationOfBenefit"]) == 2


def test_with_bounds_only_those_are_told_of_that_could_be_seen(world, people):
    days = {11: "2024-12-31", 12: "2025-01-01", 13: "2025-12-31", 14: "2026-01-01", 15: None}
    take_back(load({people[0]: [eob_until(day, number) for number, day in days.items()]}))
    job = start(world.harbor, since=Load.objects.earliest("id").loaded_at)
    bounds = {"claims_from_date": dt.date(2025, 1, 1), "claims_through_date": dt.date(2025, 12, 31)}
    Job.objects.filter(pk=job.pk).update(**bounds)
    of_patients = start(world.harbor, since=Load.objects.earliest("id").loaded_at)

    assert deleted(run(job)) == {"ExplanationOfBenefit": [["ExplanationOfBenefit/e-12", "ExplanationOfBenefit/e-13"]]}
    assert len(deleted(run(of_patients))["ExplanationOfBenefit"][0]) == len(days)


def test_what_was_deleted_before_its_day_was_kept_is_told_to_those_without_bounds_alone(world, people):
    undoing = take_back(load({people[0]: [eob_until("2025-06-01", 11)]}))
    undoing.deletions.update(service_dates=[])
    bounded = start(world.harbor, since=Load.objects.earliest("id").loaded_at)
    Job.objects.filter(pk=bounded.pk).update(claims_from_date=dt.date(2025, 1, 1))

    assert deleted(run(bounded)) == {}
    assert deleted(since_the_first(world.harbor)) == {"ExplanationOfBenefit": [["ExplanationOfBenefit/e-11"]]}


def test_bounds_say_nothing_of_types_without_days(world, people):
    take_back(load({people[0]: [arrival("Coverage", "c-1")]}))
    bounded = start(world.harbor, since=Load.objects.earliest("id").loaded_at)
    Job.objects.filter(pk=bounded.pk).update(claims_from_date=dt.date(2025, 1, 1))

    assert deleted(run(bounded)) == {"Coverage": [["Coverage/c-1"]]}


def test_an_export_tells_what_was_so_when_it_was_planned(world, people):
    take_back(load({people[0]: [eob(11)]}))
    job = start(world.harbor, since=Load.objects.earliest("id").loaded_at)
    plan.plan(job.pk)
    load({people[0]: [eob(11)]})
    take_back(load({people[1]: [eob(21)]}))

    for shard in job.shards.all():
        take_and_write(shard.pk)
    job.refresh_from_db()
    finish.finish(job)

    assert exported(job) == {}
    assert deleted(job) == {"ExplanationOfBenefit": [["ExplanationOfBenefit/e-11"]]}


def test_many_people_are_looked_at_a_few_at_a_time_and_always_alike(world, monkeypatch):
    monkeypatch.setattr(deletions, "BATCH", 2)
    mbis = world.beneficiaries(5)
    world.roster(world.harbor, mbis, published_at=timezone.now() - YESTERDAY)
    load({mbi: [patient(mbi)] for mbi in mbis})
    take_back(load({mbi: [eob(place)] for place, mbi in enumerate(mbis)}))
    load({mbis[1]: [eob(1)]})

    job = since_the_first(world.harbor)
    [shard] = job.shards.filter(kind=Shard.Kind.DELETED)
    pieces = [list(pieces_of(shard)) for _ in range(2)]

    assert deleted(job)["ExplanationOfBenefit"] == [[f"ExplanationOfBenefit/e-{place}"] for place in (0, 2, 3, 4)]
    assert pieces[0] == pieces[1]
    assert len(pieces[0]) == 3
