"""Whoever opted out leaves no trace in an export: in no file, no count and no deletion, whenever it happens."""

import datetime as dt
import gzip
import itertools
import json

import pytest
from django.db import connection
from django.utils import timezone

from attribution import cohorts
from attribution.consent import ledger
from attribution.models import Beneficiary, Mbi, RosterFile
from credentials.actor import Actor
from credentials.models import Organization
from exports import storage
from exports.api.manifest import manifest
from exports.claims.undo import take_back
from exports.models import Job, Load, Shard
from exports.pipeline import finish, plan, write
from tests.attribution.consent.files import say
from tests.exports.store import arrival, deleted, exported, load, patient, run, start
from tests.exports.turn import take_and_write

pytestmark = pytest.mark.usefixtures("unhurried")

DAY = dt.timedelta(days=1)


def claims(mbi: str, *, note: str = "") -> list:
    eob = arrival("ExplanationOfBenefit", f"e-{mbi}", note=note, billablePeriod={"end": "2026-01-15"})
    return [patient(mbi, note=note), arrival("Coverage", f"c-{mbi}", note=note), eob]


@pytest.fixture
def people(world) -> list[str]:
    mbis = world.beneficiaries(3)
    world.roster(world.harbor, mbis, published_at=timezone.now() - 30 * DAY)
    load({mbi: claims(mbi) for mbi in mbis})
    return mbis


@pytest.fixture
def since(people) -> dt.datetime:
    return Load.objects.earliest("id").loaded_at


def everything_in(job: Job) -> str:
    """All that a client can read of a job: its manifest and the bytes of its files."""
    found = [json.dumps(manifest(job, url_of=lambda file: file.name))]
    for file in job.files.all():
        with storage.opened(job.pk, file.name) as stored:
            found.append(gzip.decompress(stored.read()).decode())
    return "\n".join(found)


def patients(job: Job) -> list[str]:
    return exported(job).get("Patient", [])


def run_with_an_opt_out(job: Job, out: str, when: str) -> Job:
    if when == "before":
        say(out, "N")
    plan.plan(job.pk)
    if when == "planned":
        say(out, "N")
    # The first file is that of the first beneficiary.
    for number, pk in enumerate(Shard.objects.filter(job=job).order_by("number").values_list("pk", flat=True)):
        if number == 1 and when == "half written":
            say(out, "N")
        take_and_write(pk)
    job.refresh_from_db()
    finish.finish(job)
    job.refresh_from_db()
    return job


@pytest.fixture
def _a_file_for_each_beneficiary(settings):
    settings.EXPORT_FILE_BYTES = 1


@pytest.mark.usefixtures("_a_file_for_each_beneficiary")
@pytest.mark.parametrize(("scope", "is_incremental"), list(itertools.product(Job.Scope, [False, True])))
@pytest.mark.parametrize("when", ["before", "planned", "half written"])
def test_no_trace_of_whoever_opted_out(world, people, scope, is_incremental, when):
    since = Load.objects.get().loaded_at
    take_back(load({mbi: [arrival("ExplanationOfBenefit", f"wrong-{mbi}")] for mbi in people}))
    load({mbi: claims(mbi, note="newer") for mbi in people})
    out = people[1]

    job = start(world.harbor, scope=scope, since=since if is_incremental else None)
    run_with_an_opt_out(job, out, when)

    assert job.status == Job.Status.COMPLETED
    read = everything_in(job)
    assert out not in read
    assert all(other in read for other in (people[0], people[2]))
    assert {type_: len(ids) for type_, ids in exported(job).items()} == dict.fromkeys(job.resource_types, 2)
    listed = manifest(job, url_of=lambda file: file.name)
    assert sum(entry["count"] for entry in listed["output"]) == 6
    assert [len(told) for told in deleted(job).values()] == ([2] if is_incremental else [])


def test_an_organization_of_whom_all_opted_out_gets_an_empty_export(world, people):
    for mbi in people:
        say(mbi, "N")

    job = run(start(world.harbor))

    assert (job.status, job.files.count()) == (Job.Status.COMPLETED, 0)


def test_whoever_opted_out_is_not_listed_in_deleted(world, people, since):
    say(people[1], "N")

    job = run(start(world.harbor, scope=Job.Scope.GROUP_ALL, since=since))

    assert (exported(job), deleted(job)) == ({}, {})


def test_whoever_returns_is_told_of_all_that_was_removed(world, people, since):
    wrong = load({mbi: [arrival("ExplanationOfBenefit", f"wrong-{mbi}")] for mbi in people})
    take_back(wrong)
    later = load({})
    say(people[1], "N", -2)
    say(people[1], "Y", -1)

    job = run(start(world.harbor, scope=Job.Scope.GROUP_ALL, since=later.loaded_at))

    assert deleted(job) == {"ExplanationOfBenefit": [[f"ExplanationOfBenefit/wrong-{people[1]}"]]}


def test_whoever_returns_comes_with_the_whole_history_and_the_others_with_what_changed(world, people, since):
    load({mbi: [patient(mbi, note="newer")] for mbi in people})
    say(people[1], "N", -2)
    say(people[1], "Y", -1)

    of_group = run(start(world.harbor, scope=Job.Scope.GROUP_ALL, since=since))
    of_patients = run(start(world.harbor, scope=Job.Scope.PATIENT, since=since))

    assert sorted(patients(of_group)) == [f"p-{mbi}" for mbi in people]
    assert exported(of_group)["ExplanationOfBenefit"] == [f"e-{people[1]}"]
    assert "ExplanationOfBenefit" not in exported(of_patients)


def test_a_client_that_applies_each_export_holds_what_a_full_export_has(world, people):
    held: dict[str, str] = {}
    since = None

    def sync() -> None:
        nonlocal since
        job = run(start(world.harbor, scope=Job.Scope.GROUP_ALL, since=since))
        for file in job.files.filter(shard__kind=Shard.Kind.OUTPUT):
            with storage.opened(job.pk, file.name) as stored:
                for line in gzip.decompress(stored.read()).splitlines():
                    held[json.loads(line)["id"]] = line.decode()
        for removed in deleted(job).values():
            for urls in removed:
                for url in urls:
                    held.pop(url.rpartition("/")[2], None)
        since = job.transaction_time

    sync()
    wrong = load({people[1]: [arrival("ExplanationOfBenefit", "e-wrong")]})
    sync()
    assert "e-wrong" in held
    say(people[1], "N", -3)
    take_back(wrong)
    sync()  # without the second, of whom nothing is told
    assert "e-wrong" in held
    load({mbi: [patient(mbi, note="while out")] for mbi in people})
    sync()
    say(people[0], "N", -1)
    load({mbi: [arrival("Coverage", f"c-{mbi}", note="later")] for mbi in people})
    say(people[1], "Y", -1)
    sync()  # the second returns, the first is out
    say(people[0], "Y")
    load({})
    sync()

    whole = run(start(world.harbor))
    with_all = {}
    for file in whole.files.all():
        with storage.opened(whole.pk, file.name) as stored:
            for line in gzip.decompress(stored.read()).splitlines():
                with_all[json.loads(line)["id"]] = line.decode()
    assert held == with_all
    assert len(held) == 9


def test_an_opt_out_and_a_return_between_planning_and_writing_change_no_plan(world, people, since):
    load({mbi: claims(mbi, note="newer") for mbi in people})
    say(people[1], "N", -2)
    say(people[1], "Y", -1)
    job = start(world.harbor, scope=Job.Scope.GROUP_ALL, since=since)
    plan.plan(job.pk)

    say(people[1], "N", 0)  # the one who had returned
    say(people[0], "N", -3)
    say(people[0], "Y", -1)  # one more who has returned
    Mbi.objects.create(value="1S00Z00AA00", beneficiary=Beneficiary.objects.get(mbis__value=people[2]))

    assert patients(run(job)) == [f"p-{people[0]}", f"p-{people[2]}"]
    assert job.status == Job.Status.COMPLETED
    # It is known by the next export, which begins where this one ended, that the first was away.
    assert patients(run(start(world.harbor, scope=Job.Scope.GROUP_ALL, since=job.transaction_time))) == [
        f"p-{people[0]}"
    ]


def test_a_revert_between_planning_and_writing_changes_no_plan(world, people, since):
    out = say(people[1], "N")
    job = start(world.harbor)
    plan.plan(job.pk)

    ledger.revert(out, reason="", by=Actor())

    assert patients(run(job)) == [f"p-{mbi}" for mbi in people]


def test_a_program_that_honors_no_opt_outs_exports_all(world, people):
    maryland = Organization.objects.create(entity_id="CT999990", name="Bay", program_code="MDTCOC")
    world.roster(maryland, people)
    say(people[1], "N")

    job = run(start(maryland))

    assert patients(job) == [f"p-{mbi}" for mbi in people]
    assert not job.honors_opt_outs


def test_a_limited_organization_keeps_what_held_on_its_last_day(world, people):
    Organization.objects.filter(pk=world.harbor.pk).update(
        status=Organization.Status.LIMITED, termination_date=timezone.localdate() - 2 * DAY
    )
    world.harbor.refresh_from_db()
    say(people[0], "N", -2)
    say(people[1], "N", -1)

    job = run(start(world.harbor))

    assert patients(job) == [f"p-{people[1]}", f"p-{people[2]}"]


def test_a_runout_export_leaves_them_out_too(world, people):
    runout = world.roster(world.harbor, people, published_at=timezone.now())
    RosterFile.objects.filter(pk=runout.pk).update(kind="runout", performance_year=timezone.now().year - 1)
    RosterFile.objects.exclude(pk=runout.pk).delete()
    say(people[1], "N")

    job = start(world.harbor, scope=Job.Scope.GROUP_ALL, rule=cohorts.RUNOUT)

    assert patients(run(job)) == [f"p-{people[0]}", f"p-{people[2]}"]


def test_a_job_and_a_file_of_the_release_before_have_what_they_need(world, people):
    """Its code inserts rows without the new columns."""
    new = {"returned_beneficiary_ids", "honors_opt_outs", "opt_outs_as_of", "id"}
    job = start(world.harbor)
    columns = ", ".join(field.column for field in Job._meta.concrete_fields if field.column not in new)
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO exports_job ({columns}) SELECT {columns} FROM exports_job RETURNING id")
        before = Job.objects.get(pk=cursor.fetchone()[0])
    say(people[1], "N")

    assert before.pk != job.pk
    assert patients(run(before)) == [f"p-{people[0]}", f"p-{people[2]}"]


def test_each_file_remembers_when_consent_was_asked_for(world, people):
    change = say(people[0], "Y")

    job = run(start(world.harbor))

    assert set(job.shards.values_list("asked_change_id", "asked_on")) == {(change.pk, timezone.localdate())}


def test_it_is_asked_before_anything_is_read(world, people, monkeypatch):
    """An opt-out that comes while a file is written may or may not be obeyed, but never counts as known."""
    real = write.pieces_of

    def disturbed(shard):
        say(people[0], "N")
        return real(shard)

    monkeypatch.setattr(write, "pieces_of", disturbed)
    job = run(start(world.harbor, resource_types=["Patient"]))
    shard = job.shards.get()

    assert patients(job) == [f"p-{people[1]}", f"p-{people[2]}"]
    assert shard.asked_change_id == 0
