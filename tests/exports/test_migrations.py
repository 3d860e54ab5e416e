"""A database that earlier code has filled, or still fills."""

import datetime as dt

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from exports.models import EARLIEST_SINCE, Job, Shard
from exports.pipeline import plan, write
from tests.exports.store import exported, load, patient, run, start

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def migrate():
    """Migrates the exports to a migration; at the end they are as new as before."""
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes("exports")

    def to(name: str) -> None:
        MigrationExecutor(connection).migrate([("exports", name)])

    yield to
    MigrationExecutor(connection).migrate(newest)


def test_an_export_since_before_christ_becomes_one_since_1900(world, migrate):
    mbis = world.beneficiaries(1)
    world.roster(world.harbor, mbis)
    load({mbi: [patient(mbi)] for mbi in mbis})
    poisoned, everything = start(world.harbor, since=EARLIEST_SINCE), start(world.harbor)
    plan.plan(poisoned.pk)
    migrate("0006_tell_of_deletions")
    with connection.cursor() as cursor:
        for table in ("job", "shard"):
            cursor.execute(f"UPDATE exports_{table} SET since = '0001-12-31 18:30:00+00 BC' WHERE since IS NOT NULL")

    migrate("0008_mend_since")

    assert dict(Job.objects.values_list("pk", "since")) == {poisoned.pk: EARLIEST_SINCE, everything.pk: None}
    assert set(Shard.objects.values_list("since", flat=True)) == {EARLIEST_SINCE}
    with connection.cursor() as cursor:
        cursor.execute("SELECT convalidated FROM pg_constraint WHERE conname = 'job_since_can_be_read'")
        assert cursor.fetchone() == (True,)


def _as_before(name: str):
    """The models as the code of an earlier release has them, beside today's tables."""
    return MigrationExecutor(connection).loader.project_state(("exports", name)).apps


def test_a_job_that_the_code_before_cohorts_starts_is_written_by_todays(world, monkeypatch):
    monkeypatch.setattr(write, "HEARTBEAT_SECONDS", 3600)
    stays, new, left = world.beneficiaries(3)
    earlier = world.roster(world.harbor, [stays, left], published_at=timezone.now() - dt.timedelta(days=30))
    roster = world.roster(world.harbor, [stays, new])
    load({mbi: [patient(mbi)] for mbi in (stays, new, left)})

    theirs = _as_before("0012_labels_in_plain_words").get_model("exports", "Job").objects.create(
        organization_id=world.harbor.pk, version=2, scope="group_all", resource_types=["Patient"], request_url="a test",
        since=timezone.now(), roster_id=roster.pk, earlier_roster_id=earlier.pk, has_newly_attributed=True,
    )  # fmt: skip

    job = Job.objects.get(pk=theirs.pk)
    assert (job.endpoint, job.cohort.count()) == ("Group/all", 2)
    assert exported(run(job)) == {"Patient": [f"p-{new}"]}


def test_the_code_before_cohorts_reads_and_changes_todays_jobs(world):
    mbis = world.beneficiaries(1)
    roster = world.roster(world.harbor, mbis)
    load({mbi: [patient(mbi)] for mbi in mbis})
    job = start(world.harbor, scope=Job.Scope.GROUP_ALL)

    theirs = _as_before("0012_labels_in_plain_words").get_model("exports", "Job").objects.get(pk=job.pk)
    theirs.failure = "a test"
    theirs.save()

    assert (theirs.scope, theirs.roster_id, theirs.has_newly_attributed) == ("group_all", roster.pk, False)
    assert Job.objects.get(pk=job.pk).cohort == job.cohort


def test_a_job_that_the_code_before_sources_has_planned_is_written_by_todays(world, monkeypatch):
    monkeypatch.setattr(write, "HEARTBEAT_SECONDS", 3600)
    mbis = world.beneficiaries(2)
    world.roster(world.harbor, mbis)
    load({mbi: [patient(mbi)] for mbi in mbis})
    job = start(world.harbor)
    plan.plan(job.pk)
    theirs = _as_before("0017_hold_several_versions_in_a_load").get_model("exports", "Shard")
    [planned] = theirs.objects.filter(job_id=job.pk).values()
    theirs.objects.all().delete()
    theirs.objects.create(**planned)

    assert Job.objects.get(pk=job.pk).source == "store"
    assert exported(run(job)) == {"Patient": [f"p-{mbi}" for mbi in mbis]}
    # And it sees what today's code has written.
    assert theirs.objects.get().status == "written"
    assert theirs.objects.get().file.name == job.files.get().name
