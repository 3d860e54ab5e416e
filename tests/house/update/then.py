"""What a database held as an earlier release has left it.

It is built by the migrations up to those named here, and filled through the models as they were then, so nothing of
today's code has a hand in it. These lines stay as they are; what a later migration turns a value into, the tests say.
"""

import datetime as dt
import gzip
import hashlib
import json
import uuid

from django.contrib.auth.hashers import PBKDF2PasswordHasher

from exports import storage
from exports.claims.splice import deflate
from tests.exports.finished import lines as some_lines
from tests.world import HOME_ADDRESS, PASSWORD

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
