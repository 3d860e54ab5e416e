"""Migrations keep the code of the release before running: expand, deploy, contract."""

import threading

import pytest
from django.db import OperationalError, connection
from django_migration_linter import MigrationLinter

from portal.postgresql import base
from tests.services import REPOSITORY

APPS = ("credentials", "attribution", "exports")
# What was there before this was asked for.
EARLIER = {
    "credentials": "0015_invite_people",
    "attribution": "0001_initial",
    "exports": "0006_tell_of_deletions",
}
# What looks like a fault and is none, and the test that shows it.
EXCUSED = {
    # It drops and makes indexes, but nothing is built and nobody waits: tests/exports/test_migrating_to_variants.py.
    ("exports", "0016_make_the_variant_a_part_of_the_keys"),
}


def test_no_migration_breaks_the_code_of_the_release_before_or_holds_it_up(transactional_db):
    """Columns are added with a default of the database, indexes are built concurrently, nothing is renamed or dropped.

    What has to be otherwise is excused, and has a test of its own. (A migration can't import the linter's own excuse:
    the linter is only there for tests.)
    """
    linter = MigrationLinter(
        path=str(REPOSITORY), include_apps=APPS, no_cache=True, warnings_as_errors_tests=[], quiet=["ok", "ignore"]
    )
    since = [
        migration
        for migration in linter.migration_loader.disk_migrations.values()
        if migration.app_label in APPS
        and migration.name > EARLIER[migration.app_label]
        and (migration.app_label, migration.name) not in EXCUSED
    ]

    for migration in since:
        linter.lint_migration(migration)

    assert since
    assert (linter.nb_erroneous, linter.nb_warnings) == (0, 0), "Read what the linter has printed above."


@pytest.mark.django_db(transaction=True)
def test_a_migration_that_gets_no_lock_gives_up_and_holds_up_nobody_for_long(monkeypatch):
    monkeypatch.setattr(base, "LOCK_TIMEOUT", "200ms")
    table = "credentials_organization"
    is_held, is_over = threading.Event(), threading.Event()

    def read_slowly() -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"BEGIN; LOCK TABLE {table} IN ACCESS SHARE MODE")
            is_held.set()
            is_over.wait(60)
        connection.close()

    reader = threading.Thread(target=read_slowly)
    reader.start()
    assert is_held.wait(60)

    with pytest.raises(OperationalError, match="lock timeout"), connection.schema_editor() as editor:
        editor.execute(f"ALTER TABLE {table} ADD COLUMN another integer")

    is_over.set()
    reader.join()
