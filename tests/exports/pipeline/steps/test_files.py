"""The files of an export, until their time is over."""

from pathlib import Path

import pytest
from django.db.models.functions import Now

from exports import storage
from exports.models import Job, OutputFile
from exports.pipeline import expire, finish, plan
from tests.exports.pipeline.steps.job import files_of
from tests.exports.store import run
from tests.exports.turn import take_and_write

pytestmark = pytest.mark.usefixtures("unhurried")


def test_expired_files_are_removed_with_their_records(harbor_job):
    job = run(harbor_job)
    assert len(files_of(job)) == 2
    Job.objects.update(expires_at=Now())

    expire.expire()

    job.refresh_from_db()
    assert job.status == Job.Status.EXPIRED
    assert files_of(job) == []
    assert not OutputFile.objects.exists()
    assert expire.expire() == 0


def test_a_half_written_file_is_never_seen_under_its_name(harbor_job):
    with pytest.raises(RuntimeError), storage.writing(harbor_job.pk, "a.ndjson") as file:
        file.write(b"half")
        raise RuntimeError

    assert files_of(harbor_job) == []


def test_what_a_killed_worker_left_half_written_goes_when_the_job_is_finished(harbor_job):
    plan.plan(harbor_job.pk)
    for shard in harbor_job.shards.all():
        take_and_write(shard.pk)
    finals = files_of(harbor_job)
    finals[0].with_name(f".{finals[0].name}.0123456789abcdef").write_bytes(b"half")
    harbor_job.refresh_from_db()

    finish.finish(harbor_job)

    assert files_of(harbor_job) == finals


def test_files_are_readable_by_their_owner_alone(harbor_job):
    job = run(harbor_job)

    with storage.opened(job.pk, job.files.first().name) as file:
        path = Path(file.name)

    assert path.stat().st_mode & 0o077 == 0
    assert path.parent.stat().st_mode & 0o077 == 0
