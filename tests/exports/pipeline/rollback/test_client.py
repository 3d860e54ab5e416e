"""A plain client that applies every export (upsert, `deleted`) holds what a full export holds, rollbacks or not."""

import datetime as dt
import gzip
import json
import random

import pytest
from django.utils import timezone

from attribution.consent import ledger
from attribution.loading import roll_back
from attribution.models import RosterFile
from credentials.actor import Actor
from exports import storage
from exports.claims.undo import take_back
from exports.models import Job, Shard
from tests.exports.store import arrival, deleted, load, patient, run, start

pytestmark = pytest.mark.usefixtures("unhurried")

GROUP = Job.Scope.GROUP_ALL


class PlainClient:
    """Keeps resources by type and id, and continues from the last transactionTime."""

    def __init__(self, organization) -> None:
        self.organization = organization
        self.held: dict[str, dict] = {}
        self.since = None

    def export(self) -> Job:
        job = run(start(self.organization, scope=GROUP, since=self.since))
        assert job.status == Job.Status.COMPLETED
        for kind, lines in contents(job):
            if kind == Shard.Kind.OUTPUT:
                self.held |= {key(line): line for line in lines}
            else:
                for bundle in lines:
                    for entry in bundle["entry"]:
                        self.held.pop(entry["request"]["url"], None)
        self.since = job.transaction_time
        return job


def contents(job: Job):
    for file in job.files.select_related("shard").order_by("shard__number"):
        with storage.opened(job.pk, file.name) as stored:
            yield file.shard.kind, [json.loads(line) for line in gzip.decompress(stored.read()).splitlines()]


def key(resource: dict) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def full(organization) -> dict[str, dict]:
    job = run(start(organization, scope=GROUP))
    return {key(line): line for _, lines in contents(job) for line in lines}


def ids(job: Job, kind: Shard.Kind = Shard.Kind.OUTPUT) -> set[str]:
    return {key(line) for each, lines in contents(job) if each == kind for line in lines}


@pytest.fixture
def people(world) -> list[str]:
    return world.beneficiaries(6)


@pytest.mark.parametrize("loads_before", [0, 1])
@pytest.mark.parametrize("loads_between", [0, 1])
@pytest.mark.parametrize("loads_after", [0, 1])
def test_export_wrong_roster_export_rollback_export(world, people, loads_before, loads_between, loads_after) -> None:
    def load_more(note: str, times: int) -> None:
        for _ in range(times):
            load({mbi: [patient(mbi, note=note)] for mbi in people})

    world.roster(world.harbor, people[:4])
    load({mbi: [patient(mbi), arrival("ExplanationOfBenefit", f"e-{mbi}")] for mbi in people})
    client = PlainClient(world.harbor)
    client.export()
    load_more("before", loads_before)
    wrong = world.roster(world.harbor, people[3:])
    load_more("between", loads_between)
    client.export()
    load_more("after", loads_after)

    roll_back(wrong, reason="Wrong.", by=Actor())
    last = client.export()

    assert client.held == full(world.harbor)
    assert len(client.held) == 8
    told = [
        entry["request"]["url"]
        for kind, lines in contents(last)
        if kind == "deleted"
        for bundle in lines
        for entry in bundle["entry"]
    ]
    assert sorted(told) == sorted(
        f"{each}-{mbi}" for mbi in people[4:] for each in ("Patient/p", "ExplanationOfBenefit/e")
    )


def test_a_client_that_never_saw_the_wrong_roster_gets_nobody_as_newly_attributed(world, people) -> None:
    world.roster(world.harbor, people[:4])
    load({mbi: [patient(mbi)] for mbi in people})
    client = PlainClient(world.harbor)
    client.export()
    wrong = world.roster(world.harbor, people[3:])
    roll_back(wrong, reason="Wrong.", by=Actor())

    job = client.export()

    assert not job.has_newly_attributed
    assert ids(job) == set()
    assert client.held == full(world.harbor)


def test_whoever_was_told_as_deleted_comes_with_the_whole_history_when_really_attributed(world, people) -> None:
    """The client has the same transactionTime all along: no claims were loaded."""
    world.roster(world.harbor, people[:4])
    load({mbi: [patient(mbi)] for mbi in people})
    client = PlainClient(world.harbor)
    client.export()
    wrong = world.roster(world.harbor, people[3:])
    client.export()
    roll_back(wrong, reason="Wrong.", by=Actor())
    client.export()
    world.roster(world.harbor, people)

    client.export()

    assert client.held == full(world.harbor)
    assert len(client.held) == 6


def test_patient_exports_tell_of_it_too(world, people) -> None:
    world.roster(world.harbor, people[:4])
    load({mbi: [patient(mbi)] for mbi in people})
    wrong = world.roster(world.harbor, people[3:])
    had = run(start(world.harbor))
    roll_back(wrong, reason="Wrong.", by=Actor())

    job = run(start(world.harbor, since=had.transaction_time))
    later = run(start(world.harbor, since=job.transaction_time))

    deleted = {
        entry["request"]["url"]
        for kind, lines in contents(job)
        if kind == "deleted"
        for bundle in lines
        for entry in bundle["entry"]
    }
    assert deleted == {f"Patient/p-{mbi}" for mbi in people[4:]}
    assert not later.files.exists()


def test_what_a_load_has_removed_since_is_told_as_well(world, people) -> None:
    world.roster(world.harbor, people[:4])
    load({mbi: [patient(mbi)] for mbi in people})
    more = load({people[5]: [arrival("ExplanationOfBenefit", "e-wrong")]})
    wrong = world.roster(world.harbor, people[3:])
    client = PlainClient(world.harbor)
    client.export()
    take_back(more)
    roll_back(wrong, reason="Wrong.", by=Actor())

    client.export()

    assert client.held == full(world.harbor)


def test_an_export_that_is_planned_after_another_roster_says_a_time_of_its_own_roster(world, people) -> None:
    first = world.roster(world.harbor, people[:4])
    load({mbi: [patient(mbi)] for mbi in people})
    job = start(world.harbor, scope=GROUP)
    second = world.roster(world.harbor, people[2:])
    load({mbi: [patient(mbi, note="newer")] for mbi in people})

    run(job)

    assert first.published_at < job.transaction_time < second.published_at


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_in_whatever_order(world, seed: int) -> None:
    dice = random.Random(seed)
    people = world.beneficiaries(7)
    world.roster(world.harbor, people[:4])
    load({mbi: [patient(mbi)] for mbi in people})
    clients = [PlainClient(world.harbor) for _ in range(2)]

    for number in range(14):
        match dice.choice(("roster", "roll back", "load", "export", "export")):
            case "roster":
                world.roster(world.harbor, [*people[:1], *dice.sample(people[1:], 3)])
            case "roll back":
                in_force = RosterFile.objects.published().newest_first()
                if in_force.count() > 1:
                    roll_back(in_force.first(), reason="Wrong.", by=Actor())
            case "load":
                some = dice.sample(people, 3)
                load({mbi: [patient(mbi, note=number), arrival("Coverage", f"c-{mbi}-{number}")] for mbi in some})
            case _:
                dice.choice(clients).export()

    whole = full(world.harbor)
    for client in clients:
        client.export()
        # Who left in the ordinary way stays with the client, as with BCDA.
        assert {name: client.held[name] for name in whole} == whole


@pytest.mark.parametrize("scope", [GROUP, Job.Scope.PATIENT])
def test_mistakes_are_told_to_a_client_that_continues_from_before_the_first_roster(world, people, scope) -> None:
    load({mbi: [patient(mbi)] for mbi in people[:2]})
    wrong = world.roster(world.harbor, people[:1])
    before = wrong.published_at - dt.timedelta(minutes=1)
    mistaken = ids(run(start(world.harbor)))
    roll_back(wrong, reason="Wrong.", by=Actor())
    world.roster(world.harbor, people[1:2])

    job = run(start(world.harbor, scope=scope, since=before))

    assert deleted(job) == {"Patient": [sorted(mistaken)]}


def test_mistakes_are_told_once_though_somebody_has_returned(world, people) -> None:
    load({mbi: [patient(mbi)] for mbi in people[:3]})
    world.roster(world.harbor, people[1:3])
    today = timezone.localdate()
    opt_out = ledger.record(mbi=people[2], choice="N", effective_date=today, source="a test", by=Actor())
    wrong = world.roster(world.harbor, people[:3])
    job = run(start(world.harbor, scope=GROUP))
    roll_back(wrong, reason="Wrong.", by=Actor())
    ledger.revert(opt_out, reason="A test.", by=Actor())

    told = run(start(world.harbor, scope=GROUP, since=job.transaction_time))

    assert [len(bundle) for bundle in deleted(told)["Patient"]] == [1]
