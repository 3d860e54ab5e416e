"""A database as an earlier release has left it comes along whole: rows, and what people and programs do with them.

It is built by the migrations up to those named here, and filled through the models as they were then, so nothing of
today's code has a hand in it. These lines stay as they are; what a later migration turns a value into, is said below.
"""

import base64
import datetime as dt
import gzip
import hashlib
import json
import uuid
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.cache import caches
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.test import Client as Browser
from django.test import override_settings

from attribution import cohorts
from attribution.models import Mbi
from credentials.models import AuditEvent, Client, Organization, User
from exports import storage
from exports.claims import undo
from exports.claims.splice import deflate
from exports.models import Job, Load
from exports.tasks import expire, recover
from tests import prepared, services
from tests.exports.finished import lines as some_lines
from tests.exports.store import exported, lines, run
from tests.world import HOME_ADDRESS, KICK_OFF_HEADERS, PASSWORD, sign_in

THEN = [
    ("credentials", "0015_invite_people"),
    ("attribution", "0001_initial"),
    ("exports", "0006_tell_of_deletions"),
    ("oauth2_provider", "0022_refreshtoken_token_family_index"),
    ("account", "0009_emailaddress_unique_primary_email"),
    ("mfa", "0003_authenticator_type_uniq"),
    ("usersessions", "0001_initial"),
    ("socialaccount", "0006_alter_socialaccount_extra_data"),
    ("sessions", "0001_initial"),
    ("auth", "0012_alter_user_first_name_max_length"),
]
SECRET = "kept-from-then-0123456789-abcdefghijklmnop"  # of a client that only this test has
MBIS = ["1S00A00AA01", "1S00A00AA02", "1S00A00AA03"]
DAY = dt.timedelta(days=1)


class Then:
    """Two organizations, their people and credentials, two rosters, two loads, and a job in every state."""

    def __init__(self, apps) -> None:
        self.now = dt.datetime.now(dt.UTC).replace(microsecond=0)
        self._get = apps.get_model
        self._make_people()
        self._make_credentials()
        self._make_rosters()
        self._make_claims()
        self._make_jobs()
        self._make_the_trail()

    def _new(self, model: str, **facts):
        return self._get(*model.split(".")).objects.create(**facts)

    def _make_people(self) -> None:
        self.harbor = self._new(
            "credentials.Organization", entity_id="A9994", name="Harbor Care Alliance", program="SSP"
        )
        self._new(
            "credentials.Organization",
            entity_id="D9990",
            name="Mesa Health Partners",
            program="REACH",
            status="limited",
            termination_date=self.now.date() - 30 * DAY,
        )
        self.delegate = self._new(
            "credentials.User",
            email="delegate@harbor.example",
            name="Dana",
            password=PBKDF2PasswordHasher().encode(PASSWORD, salt="then", iterations=1000),
        )
        self._new("credentials.Membership", organization=self.harbor, user=self.delegate, role="credential_delegate")
        self._new(
            "account.EmailAddress", user_id=self.delegate.pk, email=self.delegate.email, primary=True, verified=True
        )

    def _make_credentials(self) -> None:
        self.client = self._new(
            "credentials.Client",
            client_id=str(uuid.uuid4()),
            organization=self.harbor,
            name="Nightly download",
            created_by=self.delegate,
        )
        self.secret = self._new(
            "credentials.ClientSecret",
            client=self.client,
            slot=1,
            digest=hashlib.sha256(SECRET.encode()).digest(),
            hint=SECRET[-4:],
            expires_at=self.now + 60 * DAY,
        )
        self._new("credentials.AllowedAddress", client=self.client, slot=1, address=HOME_ADDRESS)

    def _make_rosters(self) -> None:
        self.people = [self._new("attribution.Beneficiary") for _ in MBIS]
        for value, person in zip(MBIS, self.people, strict=True):
            self._new("attribution.Mbi", value=value, beneficiary=person)
        self.rosters = [
            self._roster(self.now - 40 * DAY, self.people[:2]),
            self._roster(self.now - 10 * DAY, self.people[1:]),
        ]
        self._new(
            "attribution.RosterFile",
            organization=self.harbor,
            kind="current",
            status="refused",
            file_name="T.BCD.A9994.damaged",
            sha256="0" * 64,
            performance_year=self.now.year,
            file_timestamp=self.now,
            problems=[{"file": "CCLF8", "line": 12, "column": 1, "reason": "The MBI is too short."}],
        )

    def _roster(self, when: dt.datetime, people: list):
        roster = self._new(
            "attribution.RosterFile",
            organization=self.harbor,
            kind="current",
            status="published",
            file_name=f"T.BCD.A9994.ZCY{when:%y}.D{when:%y%m%d}.T0900000",
            sha256="0" * 64,
            performance_year=when.year,
            file_timestamp=when,
            published_at=when,
            beneficiary_count=len(people),
        )
        for person in people:
            self._new("attribution.RosterEntry", roster=roster, beneficiary=person)
        return roster

    def _make_claims(self) -> None:
        self.loads = [
            self._new("exports.Load", source="then, first", loaded_at=self.now - 30 * DAY),
            self._new("exports.Load", source="then, second", loaded_at=self.now - 5 * DAY),
        ]
        self.lines: dict[str, bytes] = {}
        for value, person in zip(MBIS, self.people, strict=True):
            patient = self._line("Patient", f"p-{value}", "as it was")
            newer = self._line("Patient", f"p-{value}", "as it is")
            claim = self._line("ExplanationOfBenefit", f"e-{value}", "a claim")
            self._chunk(self.loads[0], person, "Patient", patient, superseded_by=self.loads[1])
            self._chunk(self.loads[0], person, "ExplanationOfBenefit", claim)
            self._chunk(self.loads[1], person, "Patient", newer)
            self._new("exports.PatientIdentity", version=2, patient_id=f"p-{value}", beneficiary=person)
            self._new(
                "exports.Deletion",
                load=self.loads[1],
                version=2,
                resource_type="Patient",
                beneficiary=person,
                is_replaced=True,
                resource_ids=[f"p-{value}"],
                service_dates=[None],
            )
            self.lines[value] = newer + claim

    def _line(self, resource_type: str, resource_id: str, note: str) -> bytes:
        return json.dumps({"resourceType": resource_type, "id": resource_id, "note": note}).encode() + b"\n"

    def _chunk(self, load, person, resource_type: str, line: bytes, *, superseded_by=None) -> None:
        body = deflate(line, 1)
        is_claim = resource_type == "ExplanationOfBenefit"
        self._new(
            "exports.Chunk",
            version=2,
            resource_type=resource_type,
            beneficiary=person,
            load=load,
            superseded_by=superseded_by,
            first_updated=load.loaded_at,
            last_updated=load.loaded_at,
            first_service_date=self.now.date() - 50 * DAY if is_claim else None,
            last_service_date=self.now.date() - 50 * DAY if is_claim else None,
            resource_count=1,
            raw_length=body.raw_length,
            crc32=body.crc32,
            body=bytes(body.deflated),
        )

    def _make_jobs(self) -> None:
        self.jobs = {
            status: self._new(
                "exports.Job",
                organization=self.harbor,
                client=self.client,
                version=2,
                scope="patient",
                resource_types=["Patient", "ExplanationOfBenefit"],
                request_url="https://gate.example/api/v2/Patient/$export",
                roster=self.rosters[1],
                as_of_load=None if status == "pending" else self.loads[1],
                transaction_time=None if status == "pending" else self.loads[1].loaded_at,
                status=status,
                created_at=self.now,
                expires_at=self.now + DAY if status == "completed" else None,
            )
            for status in ("pending", "in_progress", "completed", "failed", "cancelled", "expired")
        }
        self.file = gzip.compress(some_lines(3))
        shard = self._shard(self.jobs["completed"], "written", raw_length=len(some_lines(3)), resource_count=3)
        with storage.writing(self.jobs["completed"].pk, shard.file_name) as file:
            file.write(self.file)
        self._new(
            "exports.OutputFile",
            shard=shard,
            job=self.jobs["completed"],
            name=shard.file_name,
            resource_type="Patient",
            resource_count=3,
            raw_length=len(some_lines(3)),
            stored_length=len(self.file),
        )
        # A worker of then was at it when it was ended for the update.
        raw_length = sum(len(line.splitlines(keepends=True)[0]) for line in list(self.lines.values())[1:])
        self._shard(
            self.jobs["in_progress"],
            "writing",
            raw_length=raw_length,
            resource_count=2,
            attempts=1,
            lease_holder=uuid.uuid4(),
            lease_until=self.now - DAY,
        )

    def _shard(self, job, status: str, **facts):
        return self._new(
            "exports.Shard",
            job=job,
            number=0,
            resource_type="Patient",
            population="everyone",
            first_beneficiary_id=self.people[0].pk,
            last_beneficiary_id=self.people[-1].pk,
            file_name=f"{uuid.uuid4()}.ndjson",
            status=status,
            **facts,
        )

    def _make_the_trail(self) -> None:
        facts = {"organization": self.harbor, "address": HOME_ADDRESS}
        self._new("credentials.AuditEvent", action="client_created", user=self.delegate, client=self.client, **facts)
        self._new(
            "credentials.AuditEvent",
            action="export_started",
            client=self.client,
            detail={"job": 1, "scope": "patient", "since": "2026-01-01T00:00:00+00:00"},
            **facts,
        )
        self._new("credentials.AuditEvent", action="of_a_kind_that_is_gone", detail={"old": ["fact", 7]}, **facts)


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
