"""Parts whose size nobody knows beforehand: progress says so, and the order of jobs does not depend on luck."""

import pytest
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from django.test import Client as Browser
from django.utils import timezone

from exports.claims import splice
from exports.claims.undo import take_back
from exports.models import Job, Load, Shard
from exports.pipeline import plan, recover
from exports.sources import Deletions
from tests.exports.store import arrival, load, patient, start
from tests.exports.turn import take_and_write
from tests.world import sign_in


def test_progress_says_files_where_it_cannot_say_percent(world, people):
    api = world.api_client().sign_in()
    job = start(world.harbor)
    plan.plan(job.pk)

    def progress() -> str:
        return api.get(f"/api/v2/jobs/{job.pk}")["X-Progress"]

    before = progress()
    take_and_write(job.shards.first().pk)
    page = sign_in(Browser(), world.delegate).get(f"/organizations/A9994/exports/{job.pk}").content.decode()

    assert (before, progress()) == ("In Progress (0 of 3 files)", "In Progress (1 of 3 files)")
    assert "1 of 3 files done. How large the others are isn’t known yet." in page
    assert 'max="100"' not in page


def test_a_job_of_unknown_size_does_not_go_before_a_small_one(world, people, settings):
    unknown = start(world.harbor)
    plan.plan(unknown.pk)
    settings.EXPORT_SOURCE = "store"
    load({mbi: [patient(mbi)] for mbi in people})
    small = start(world.harbor)
    plan.plan(small.pk)

    unknown.refresh_from_db()
    small.refresh_from_db()
    assert unknown.bytes_left == 3 * settings.EXPORT_FILE_BYTES > small.bytes_left
    for shard in unknown.shards.all():
        take_and_write(shard.pk)
    unknown.refresh_from_db()
    assert unknown.bytes_left == 0


@pytest.fixture
def with_deletions(world, unhurried) -> Job:
    """A planned job with a file of resources and one of deletions."""
    mbis = world.beneficiaries(2)
    world.roster(world.harbor, mbis)
    load({mbi: [patient(mbi)] for mbi in mbis})
    first = Load.objects.get()
    take_back(load({mbi: [arrival("ExplanationOfBenefit", f"e-{mbi}")] for mbi in mbis}))
    load({mbi: [patient(mbi, note="newer")] for mbi in mbis})
    return start(world.harbor, since=first.loaded_at)


def test_planning_does_not_compute_deletions(with_deletions, monkeypatch):
    def computed(*_):
        raise AssertionError("Deletions were computed under the lock.")

    with monkeypatch.context() as patch:
        patch.setattr(Deletions, "pieces", computed)
        patch.setattr(splice, "inflate", computed)
        plan.plan(with_deletions.pk)

    shard = with_deletions.shards.get(kind=Shard.Kind.DELETED)
    assert (shard.is_sized, shard.raw_length) == (False, 0)
    take_and_write(shard.pk)
    assert shard.file.resource_count == 2


def test_deletions_don_t_take_the_percent_away(with_deletions):
    plan.plan(with_deletions.pk)
    at_first = str(with_deletions.progress())
    take_and_write(with_deletions.shards.get(kind=Shard.Kind.OUTPUT).pk)

    assert (at_first, str(with_deletions.progress())) == ("0%", "99%")


def test_the_code_before_leaves_alone_what_it_cannot_write(with_deletions):
    """It compares each file with the plan, and knows of no part without a size."""
    plan.plan(with_deletions.pk)
    deletions = with_deletions.shards.get(kind=Shard.Kind.DELETED)

    def found_before() -> set[int]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT id FROM exports_shard WHERE status = 'waiting'")  # as it chooses and takes
            return {key for (key,) in cursor.fetchall()}

    assert found_before() == {with_deletions.shards.get(kind=Shard.Kind.OUTPUT).pk}
    deletions.refresh_from_db()
    Shard.objects.filter(pk=deletions.pk).update(status="writing", lease_until=timezone.now() - timezone.timedelta(1))
    recover.recover()
    assert deletions.pk not in found_before()


def test_a_source_that_is_not_there_fails_the_job_with_a_reason(world, people, settings):
    job = start(world.harbor)
    Job.objects.filter(pk=job.pk).update(source="gone")  # a server had it, and this worker does not

    for _ in range(settings.EXPORT_ATTEMPTS):
        with pytest.raises(KeyError):
            plan.plan(job.pk)
    recover.recover()

    job.refresh_from_db()
    assert (job.status, job.failure) == ("failed", "The export could not be planned in 5 attempts.")


def test_the_check_says_which_sources_there_are(settings):
    settings.EXPORT_SOURCE = "stroe"

    with pytest.raises(SystemCheckError, match="EXPORT_SOURCE is 'stroe'"):
        call_command("check")
