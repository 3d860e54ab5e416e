"""A database as an earlier release has left it comes along whole: rows, and what people and programs do with them."""

import base64
import json
import uuid
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.core.cache import caches
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.test import Client as Browser
from django.test import override_settings

from attribution import cohorts
from attribution.loading import roll_back
from attribution.models import Mbi, RosterFile
from credentials.actor import Actor
from credentials.models import AuditEvent, Client, Organization, User
from exports.claims import undo
from exports.models import Job, Load
from exports.tasks import expire, recover
from tests import prepared, services
from tests.exports.store import exported, lines, run
from tests.house.update.then import DAY, MBIS, SECRET, THEN, Then
from tests.world import HOME_ADDRESS, KICK_OFF_HEADERS, PASSWORD, sign_in


@pytest.fixture(scope="module")
def then(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[Then]:
    """What the database held before the update; the update has run since."""
    exports = {**settings.STORAGES["exports"]}
    exports["OPTIONS"] = {**exports["OPTIONS"], "location": str(tmp_path_factory.mktemp("exports"))}
    with (
        django_db_blocker.unblock(),
        prepared.new_database(f"claimsgate_older_{services.PROCESS or 'alone'}", like=prepared.migrated(THEN)),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(settings, "STORAGES", {**settings.STORAGES, "exports": exports})
        executor = MigrationExecutor(connection)
        it = Then(executor.loader.project_state(THEN).apps)
        it.trail = _rows("credentials_auditevent")
        it.counts = _counts()
        executor = MigrationExecutor(connection)
        executor.migrate(executor.loader.graph.leaf_nodes())
        yield it


@pytest.fixture(autouse=True)
def _undone(then, monkeypatch) -> Iterator[None]:
    """Each test begins with what the update has left."""
    monkeypatch.setattr(caches["default"], "key_prefix", str(uuid.uuid4()))
    hashers = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]
    with override_settings(PASSWORD_HASHERS=hashers), transaction.atomic():
        yield
        transaction.set_rollback(True)


def test_no_row_is_lost_and_none_is_made(then):
    now = _counts()

    assert {table: now.get(table) for table in then.counts} == then.counts


def test_the_trail_is_as_it_was(then):
    columns = len(then.trail[0])

    assert [row[:columns] for row in _rows("credentials_auditevent")] == then.trail


def test_a_client_gets_a_token_and_an_export_of_what_was_loaded_then(then):
    basic = base64.b64encode(f"{then.client.client_id}:{SECRET}".encode()).decode()
    browser = Browser(REMOTE_ADDR=HOME_ADDRESS)

    answer = browser.post("/auth/token", headers={"Authorization": f"Basic {basic}"})
    authorized = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    started = browser.get("/api/v2/Patient/$export", headers={**authorized, **KICK_OFF_HEADERS})
    job = run(Job.objects.get(pk=started["Content-Location"].rpartition("/")[2]))

    assert job.status == Job.Status.COMPLETED
    assert sorted(lines(job)) == sorted(b"".join(then.lines[mbi] for mbi in MBIS[1:]).splitlines(keepends=True))


def test_a_file_of_then_is_downloaded(then):
    job, browser = then.jobs["completed"], sign_in(Browser(), User.objects.get())
    name = Job.objects.get(pk=job.pk).files.get().name

    response = browser.get(f"/organizations/A9994/exports/{job.pk}/files/{name}", headers={"Accept-Encoding": "gzip"})

    assert response.status_code == 200
    assert b"".join(response.streaming_content) == then.file


def test_a_delegate_signs_in_with_the_password_of_then(then):
    browser = Browser()

    response = browser.post("/sign-in", {"login": "delegate@harbor.example", "password": PASSWORD})

    assert response.status_code == 302
    assert "sign-in" not in response["Location"]


@pytest.mark.parametrize("where", ["", "/audit", "/credentials", "/attribution", "/exports", "/team"])
def test_every_page_shows_what_was_there(then, where):
    browser = sign_in(Browser(), User.objects.get())

    assert browser.get(f"/organizations/A9994{where}").status_code == 200


def test_the_job_that_was_being_written_goes_on(then):
    job = Job.objects.get(pk=then.jobs["in_progress"].pk)

    recover()
    expire()
    finished = run(job)

    assert finished.status == Job.Status.COMPLETED
    assert exported(finished) == {"Patient": [f"p-{mbi}" for mbi in MBIS[1:]]}


def test_the_rosters_say_who_was_attributed_when(then):
    harbor = Organization.objects.get(entity_id="A9994")

    assert cohorts.current_roster(harbor).pk == then.rosters[1].pk
    assert cohorts.roster_as_of(harbor, then.now - 20 * DAY).pk == then.rosters[0].pk
    assert {mbi.value for mbi in Mbi.objects.filter(beneficiary__roster_entries__roster=then.rosters[1].pk)} == {
        *MBIS[1:]
    }


def test_the_last_load_of_then_can_be_taken_back(then):
    undo.take_back(Load.objects.get(pk=then.loads[1].pk))

    job = run(
        Job.objects.create(
            organization=Organization.objects.get(entity_id="A9994"),
            version=2,
            scope=Job.Scope.PATIENT,
            resource_types=["Patient"],
            request_url="a test",
            roster_id=then.rosters[1].pk,
        )
    )
    assert all(json.loads(line)["note"] == "as it was" for line in lines(job))
    assert Client.objects.count() == 1
    assert AuditEvent.objects.count() >= len(then.trail)


def _rows(table: str) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} ORDER BY id")
        return cursor.fetchall()


def _counts() -> dict[str, int]:
    """How many rows each of our tables has."""
    ours = ("credentials_", "attribution_", "exports_", "account_")
    tables = [name for name in connection.introspection.table_names() if name.startswith(ours)]
    with connection.cursor() as cursor:
        counts = {}
        for name in tables:
            cursor.execute(f"SELECT count(*) FROM {name}")
            [[counts[name]]] = cursor.fetchall()
    return counts


def test_a_roster_of_before_can_be_rolled_back(then):
    before, wrong = (RosterFile.objects.get(pk=each.pk) for each in then.rosters)

    restored = roll_back(wrong, reason="Wrong.", by=Actor())

    assert restored == before
    assert cohorts.roster_as_of(before.organization, wrong.published_at) == wrong
    assert not Job.objects.unfinished().filter(roster=wrong).exists()
    assert not Job.objects.filter(roster=wrong, status=Job.Status.COMPLETED).exists()
