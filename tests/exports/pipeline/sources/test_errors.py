"""What a source could not get: said once in the manifest's `error`, whatever dies."""

import gzip
import json
import uuid

import pytest
from django.test import Client as Browser

from exports import storage, tasks
from exports.api.manifest import manifest
from exports.models import Job, OutputFile, Shard, ShardOutcomes, ShardQuerySet
from exports.pipeline import expire, finish, plan, recover, shortfalls, turns, write
from exports.sources import Shortfall
from tests.exports.store import exported, run, start
from tests.exports.turn import take_and_write
from tests.world import sign_in


def said(job: Job) -> list[bytes]:
    """The lines of the files in the manifest's `error`."""
    job.refresh_from_db()
    found = []
    for entry in manifest(job, url_of=lambda file: file.name)["error"]:
        with storage.opened(job.pk, entry["url"]) as stored:
            found += gzip.decompress(stored.read()).splitlines()
    return found


def written(job: Job) -> Job:
    """All steps of a job, and those of the file that is added at its end."""
    run(job)
    for _ in range(5):  # one is the rule
        if shard := turns.take_next(uuid.uuid4()):
            write.write(shard, shard.lease_holder)
            finish.finish(job)
    job.refresh_from_db()
    return job


def test_the_others_come_and_the_one_is_said(world, people):
    job = written(start(world.harbor))

    told = manifest(job, url_of=lambda file: file.name)
    assert job.status == Job.Status.COMPLETED
    assert exported(job) == {"Patient": [f"toy-{mbi}" for mbi in people[1:]]}
    assert [(entry["type"], entry["count"]) for entry in told["error"]] == [("OperationOutcome", 1)]
    [line] = map(json.loads, said(job))
    assert line["resourceType"] == "OperationOutcome"
    assert line["issue"][0]["code"] == "exception"


@pytest.mark.parametrize("spelled", ["{0}", "MBI:{0}.", "({0})", "{1}", "{2}"])
def test_no_mbi_gets_into_a_file_whatever_the_source_says(world, people, source, monkeypatch, spelled):
    mbi = people[0]
    forms = (mbi, f"{mbi[:4]}-{mbi[4:7]}-{mbi[7:]}", mbi.lower())
    shortfall = Shortfall(f"No record for {spelled.format(*forms)}", code="not-found")
    monkeypatch.setattr(type(source), "pieces", lambda *_: iter([shortfall]))

    job = written(start(world.harbor))

    text = b"".join(said(job)).decode().lower()
    assert not any(form.lower() in text for form in forms)
    assert len(said(job)) == 3  # one of each file
    assert "no record for" in text
    assert "[mbi]" in text


def test_without_an_error_there_is_no_file_of_them(world, people, source, monkeypatch):
    monkeypatch.setattr(type(source), "pieces", lambda *_: iter([]))

    job = written(start(world.harbor))

    assert (job.status, job.files.count(), job.shards.filter(kind=Shard.Kind.ERROR).count()) == ("completed", 0, 0)


def test_a_worker_that_dies_between_its_file_and_its_record_says_nothing_twice(world, people, monkeypatch):
    job = start(world.harbor)
    plan.plan(job.pk)
    first = job.shards.first()
    with monkeypatch.context() as patch:
        patch.setattr(write, "_hand_in", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            take_and_write(first.pk)
    assert not ShardOutcomes.objects.exists()
    Shard.objects.filter(pk=first.pk).update(lease_until="2020-01-01T00:00:00Z")

    assert len(said(written(job))) == 1


def test_a_file_that_was_lost_is_written_again_and_what_is_said_with_it(world, people):
    job = start(world.harbor)
    plan.plan(job.pk)
    for shard in job.shards.all():
        take_and_write(shard.pk)
    finish.finish(job)
    take_and_write(job.shards.get(kind=Shard.Kind.ERROR).pk)
    storage.remove(job.pk, job.files.first().name)

    assert finish.finish(job) is False  # it is noticed
    assert not ShardOutcomes.objects.exists()
    assert len(said(written(job))) == 1
    assert exported(job) == {"Patient": [f"toy-{mbi}" for mbi in people[1:]]}


def test_the_file_of_errors_itself_is_written_again(world, people):
    job = start(world.harbor)
    plan.plan(job.pk)
    for shard in job.shards.all():
        take_and_write(shard.pk)
    finish.finish(job)
    error = job.shards.get(kind=Shard.Kind.ERROR)
    take_and_write(error.pk)
    storage.remove(job.pk, OutputFile.objects.get(shard=error).name)

    assert finish.finish(job) is False
    assert recover.recover().to_finish == [job.pk]
    finish.finish(job)
    assert len(said(written(job))) == 1


def test_recovery_calls_a_worker_for_the_file_that_it_has_added(world, people, monkeypatch):
    called = []
    monkeypatch.setattr(tasks.write, "delay", lambda: called.append(1))
    monkeypatch.setattr(tasks, "_is_waiting", lambda _queue: False)
    job = start(world.harbor)
    plan.plan(job.pk)
    for shard in job.shards.all():
        take_and_write(shard.pk)

    tasks.recover()

    assert (len(called), job.shards.filter(kind=Shard.Kind.ERROR).count()) == (1, 1)


def test_of_two_workers_that_finish_one_adds_the_file(world, people):
    job = start(world.harbor)
    plan.plan(job.pk)
    for shard in job.shards.all():
        take_and_write(shard.pk)

    at_once = [shortfalls.add_file(job), shortfalls.add_file(job)]
    error = job.shards.get(kind=Shard.Kind.ERROR)
    take_and_write(error.pk)

    assert at_once == [True, True]  # something is left to write
    assert (error.number, shortfalls.add_file(job)) == (3, False)


def test_a_worker_that_looked_before_the_file_was_added_does_not_complete_the_job(world, people):
    job, patch = start(world.harbor), pytest.MonkeyPatch()
    plan.plan(job.pk)
    for shard in job.shards.all():
        take_and_write(shard.pk)

    def unwritten_before_another_finishes(_shards):
        patch.undo()
        finish.finish(job)
        return Shard.objects.none()

    patch.setattr(ShardQuerySet, "unwritten", unwritten_before_another_finishes)

    assert finish.finish(job) is False
    job.refresh_from_db()
    assert job.status == Job.Status.IN_PROGRESS
    assert len(said(written(job))) == 1


def test_a_worker_that_has_lost_its_lease_cannot_replace_the_next_ones_file(world, people, source, monkeypatch):
    """What a source gives can differ from one attempt to the next."""
    job = start(world.harbor)
    plan.plan(job.pk)
    shard = job.shards.last()
    slow = uuid.uuid4()

    def taken_over(*arguments):
        copy(*arguments)
        with monkeypatch.context() as patch:
            patch.setattr(write, "_copy", copy)
            patch.setattr(type(source), "pieces", lambda *_: iter([Shortfall("Gone since.")]))
            Shard.objects.filter(pk=shard.pk).update(lease_until="2020-01-01T00:00:00Z")
            take_and_write(shard.pk)

    copy = write._copy
    monkeypatch.setattr(write, "_copy", taken_over)
    [held] = [each for each in iter(lambda: turns.take_next(slow), None) if each.pk == shard.pk]

    assert write.write(held, slow) is None
    shard.refresh_from_db()
    assert shard.status == Shard.Status.WRITTEN
    assert shard.file_name != held.file_name
    assert not OutputFile.objects.filter(
        shard=shard
    ).exists()  # it left nothing, and the slow one did not bring it back
    assert ShardOutcomes.objects.get(shard=shard).resource_count == 1
    with pytest.raises(FileNotFoundError):
        storage.opened(job.pk, held.file_name)


def test_with_the_files_goes_what_was_kept_of_them(world, people):
    job = written(start(world.harbor))
    Job.objects.filter(pk=job.pk).update(expires_at="2020-01-01T00:00:00Z")

    expire.expire()

    assert not ShardOutcomes.objects.exists()
    assert not OutputFile.objects.exists()


def test_the_file_of_errors_is_its_organizations_alone(world, people):
    job = written(start(world.harbor))
    name = job.files.get(shard__kind=Shard.Kind.ERROR).name
    api, stranger = world.api_client().sign_in(), world.api_client(world.mesa).sign_in()
    ours, theirs = (sign_in(Browser(), person) for person in (world.delegate, world.stranger))

    assert api.get(f"/data/{job.pk}/{name}").status_code == 200
    assert stranger.get(f"/data/{job.pk}/{name}").status_code == 404
    assert theirs.get(f"/organizations/A9994/exports/{job.pk}/files/{name}").status_code == 404
    saved = ours.get(f"/organizations/A9994/exports/{job.pk}/files/{name}")
    assert saved.status_code == 200
    assert f"A9994-export-{job.pk}-4-errors.ndjson" in saved["Content-Disposition"]
    page = ours.get(f"/organizations/A9994/exports/{job.pk}").content.decode()
    assert "Errors" in page
    assert "claims that are missing from this export, and why" in page
