"""A database in which something is that is not let in any more."""

import pytest
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from exports.models import EARLIEST_SINCE, Job, Shard
from exports.pipeline import plan
from tests.exports.store import load, patient, start

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
