"""From a roster file to claims on disk, over real HTTP, with the real worker process and a real PostgreSQL."""

import contextlib
import datetime as dt
import gzip
import importlib
import json
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest
from django.db import connection

from attribution import synthetic
from attribution.models import RosterFile
from credentials.actor import Actor
from credentials.clients import revocation
from exports.intake.sandbox import load_synthetic_claims
from exports.models import Job, Shard
from tests.journeys.conftest import required_program
from tests.journeys.processes.installation import wait_until, waiting_for
from tests.world import HOME_ADDRESS, KICK_OFF_HEADERS, OTHER_ADDRESS, World

pytestmark = pytest.mark.journey

SEED = 7
START, END = dt.date(2023, 1, 1), dt.date(2026, 1, 1)
TIMESTAMP = dt.datetime(2026, 11, 1, 4, 30, tzinfo=dt.UTC)
PATIENCE_SECONDS = 90


class Caller:
    """A client of the API, calling over HTTP through a proxy that reports `address`."""

    def __init__(self, base_url: str, client_id: str, secret: str, address: str = HOME_ADDRESS) -> None:
        self.http = httpx.Client(base_url=base_url, headers={"X-Forwarded-For": address}, timeout=30)
        self.credentials = (client_id, secret)

    def sign_in(self) -> httpx.Response:
        answer = self.http.post("/auth/token", auth=self.credentials, content=b"")
        if answer.status_code == 200:
            self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return answer

    def export(self, path: str = "/api/v2/Group/all/$export") -> dict:
        """Start, poll, and give the manifest."""
        started = self.http.get(path, headers=KICK_OFF_HEADERS)
        assert started.status_code == 202, started.text
        return self.wait(started.headers["Content-Location"])

    def wait(self, job_url: str) -> dict:
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            status = self.http.get(job_url)
            if status.status_code == 200:
                return status.json()
            assert status.status_code == 202, status.text
            time.sleep(0.1)
        raise AssertionError(f"The job was not finished after {PATIENCE_SECONDS} s: {status.headers.get('X-Progress')}")

    def resources(self, manifest: dict) -> list[dict]:
        """All resources of all files, each file checked against its count."""
        found = []
        for entry in manifest["output"]:
            answer = self.http.get(entry["url"])
            assert answer.headers["Content-Encoding"] == "gzip"
            lines = answer.text.splitlines()
            assert len(lines) == entry["count"]
            of_file = [json.loads(line) for line in lines]
            assert {resource["resourceType"] for resource in of_file} == {entry["type"]}
            found.extend(of_file)
        return found


def test_a_roster_file_a_token_an_export_and_exactly_the_rosters_claims(running, tmp_path):
    world = World()
    ours = list(synthetic.people(SEED, 12))
    theirs = list(synthetic.people(SEED, 5, start=100))
    for organization, people in ((world.harbor, ours), (world.mesa, theirs)):
        _load_roster_by_command(running, tmp_path, organization, people)
    load_synthetic_claims([*ours, *theirs], seed=SEED, start_date=START, end_date=END, source="a test")
    api = world.api_client()
    caller = Caller(running.base_url, api.client.client_id, api.secret)

    assert caller.sign_in().status_code == 200
    manifest = caller.export()
    resources = caller.resources(manifest)

    by_type = Counter(resource["resourceType"] for resource in resources)
    assert by_type["Patient"] == len(ours)
    assert set(by_type) == {"Patient", "Coverage", "ExplanationOfBenefit"}
    patients = {_mbi(resource): resource["id"] for resource in resources if resource["resourceType"] == "Patient"}
    assert set(patients) == {person.mbi for person in ours}
    references = {f"Patient/{patient_id}" for patient_id in patients.values()}
    ids = Counter((resource["resourceType"], resource["id"]) for resource in resources)
    assert set(ids.values()) == {1}, "a resource came twice"
    for resource in resources:
        whose = resource.get("beneficiary") or resource.get("patient")
        assert whose is None or whose["reference"] in references
        _accepted_by_an_independent_judge(resource)


@pytest.mark.debian
def test_every_client_gets_the_same_bytes(running, tmp_path):
    world = World()
    ours = list(synthetic.people(SEED, 3))
    _load_roster_by_command(running, tmp_path, world.harbor, ours)
    load_synthetic_claims(ours, seed=SEED, start_date=START, end_date=END, source="a test")
    api = world.api_client()
    caller = Caller(running.base_url, api.client.client_id, api.secret)
    caller.sign_in()
    url = next(entry["url"] for entry in caller.export()["output"] if entry["type"] == "ExplanationOfBenefit")
    curl = [required_program("curl"), "--silent", "--fail"]
    for name in ("Authorization", "X-Forwarded-For"):
        curl += ["--header", f"{name}: {caller.http.headers[name]}"]

    plain = caller.http.get(url, headers={"Accept-Encoding": "identity"})
    compressed = caller.http.get(url, headers={"Accept-Encoding": "gzip"})
    told = caller.http.head(url, headers={"Accept-Encoding": "gzip"})
    by_curl = _output_of([*curl, "--compressed", url])
    curl += ["--header", "Accept-Encoding: gzip"]
    stored, its_end = _output_of([*curl, url]), _output_of([*curl, "--range", "9999-", url])

    assert "Content-Encoding" not in plain.headers
    assert plain.content.endswith(b"}\n")
    assert plain.content == compressed.content == by_curl == gzip.decompress(stored)
    assert int(compressed.headers["Content-Length"]) == int(told.headers["Content-Length"]) == len(stored)
    assert len(stored) < len(plain.content)
    assert its_end == stored[9999:]


def _output_of(command: list[str]) -> bytes:
    return subprocess.run(command, check=True, capture_output=True).stdout


def test_an_address_that_is_not_listed_gets_nothing_from_any_endpoint(running):
    world = World()
    api = world.api_client(addresses=[HOME_ADDRESS])
    home = Caller(running.base_url, api.client.client_id, api.secret)
    home.sign_in()
    away = Caller(running.base_url, api.client.client_id, api.secret, address=OTHER_ADDRESS)
    away.http.headers["Authorization"] = home.http.headers["Authorization"]
    # A list of addresses in the header: only the last was written by the proxy.
    spoofing = {"X-Forwarded-For": f"{HOME_ADDRESS}, {OTHER_ADDRESS}"}

    refused = [
        away.sign_in(),
        away.http.get("/api/v2/Group/all/$export", headers=KICK_OFF_HEADERS),
        away.http.get("/api/v2/jobs/1"),
        away.http.get("/data/1/a.ndjson"),
        away.http.get("/api/v2/jobs/1", headers=spoofing),
    ]

    assert [answer.status_code for answer in refused] == [403] * 5
    assert all(OTHER_ADDRESS in answer.text for answer in refused)
    assert home.http.get("/api/v2/jobs/1").status_code == 404
    assert not Job.objects.exists()


def test_a_revoked_client_is_refused_at_its_very_next_request(running):
    world = World()
    api = world.api_client()
    caller = Caller(running.base_url, api.client.client_id, api.secret)
    caller.sign_in()
    before = caller.http.get("/api/v2/jobs/1").status_code

    revocation.revoke_client(api.client, by=Actor(user=world.delegate))

    assert before == 404
    assert caller.http.get("/api/v2/jobs/1").status_code == 401
    assert caller.sign_in().status_code == 401


def test_a_refused_roster_file_changes_nothing_and_the_command_says_why(running, tmp_path):
    world = World()
    people = list(synthetic.people(SEED, 3))
    path = _roster_file(tmp_path, world.harbor, people)
    path.write_bytes(path.read_bytes()[:-40])

    with pytest.raises(subprocess.CalledProcessError) as failed:
        running.manage("load_roster", str(path))

    assert failed.value.returncode == 1
    assert path.name in failed.value.stdout + failed.value.stderr
    assert not RosterFile.objects.published().exists()


def test_a_worker_killed_in_the_middle_of_an_export_costs_nothing(running_with, tmp_path):
    running = running_with({"EXPORT_FILE_BYTES": "40000", "EXPORT_LEASE_SECONDS": "2"})
    world = World()
    people = list(synthetic.people(SEED, 12))
    _load_roster_by_command(running, tmp_path, world.harbor, people)
    load_synthetic_claims(people, seed=SEED, start_date=START, end_date=END, source="a test")
    api = world.api_client()
    caller = Caller(running.base_url, api.client.client_id, api.secret)
    caller.sign_in()
    undisturbed = caller.resources(caller.export())

    with _kept_from_handing_in_a_second_file() as wait_for_the_second:
        started = caller.http.get("/api/v2/Group/all/$export", headers=KICK_OFF_HEADERS)
        wait_for_the_second()
        running.worker.kill()
    job = Job.objects.get(pk=started.headers["Content-Location"].rpartition("/")[2])
    assert job.status == Job.Status.IN_PROGRESS
    assert (job.files.count(), job.shards.filter(status=Shard.Status.WRITING).count()) == (1, 1)
    in_between = caller.http.get(started.headers["Content-Location"])
    running.start_worker()
    manifest = caller.wait(started.headers["Content-Location"])

    assert in_between.status_code == 202
    assert in_between.headers["X-Progress"].startswith("In Progress (")
    assert caller.resources(manifest) == undisturbed
    names = {file.name for file in (tmp_path / "exports" / str(job.pk)).iterdir()}
    assert names == set(job.files.values_list("name", flat=True)), "a half-written file was left behind"


@contextlib.contextmanager
def _kept_from_handing_in_a_second_file() -> Iterator[Callable[[], None]]:
    """Inside, a worker hands in one file; what is given waits until it wants to hand in another, and cannot."""
    lock = "LOCK TABLE exports_outputfile IN ACCESS EXCLUSIVE MODE"
    place = connection.get_connection_params()
    with psycopg.connect(**place) as first, psycopg.connect(**place) as second, ThreadPoolExecutor(1) as thread:
        first.execute(lock)

        def wait() -> None:
            wait_until(lambda: waiting_for("exports_outputfile") == 1, "it hands in its first file")
            # Who waits for a lock gets it after those that waited before.
            locked = thread.submit(second.execute, lock)
            wait_until(lambda: waiting_for("exports_outputfile") == 2, "the next will have to wait again")
            first.rollback()
            locked.result()
            wait_until(lambda: waiting_for("exports_outputfile") == 1, "it hands in the next")

        yield wait


def _roster_file(folder: Path, organization, people) -> Path:
    kind = RosterFile.Kind.CURRENT
    name = synthetic.cclf_archive_name(organization.entity_id, 2026, TIMESTAMP, kind, is_test=False)
    path = folder / name
    path.write_bytes(
        synthetic.cclf_archive(
            people,
            entity_id=organization.entity_id,
            performance_year=2026,
            timestamp=TIMESTAMP,
            kind=kind,
            is_test=False,
        )
    )
    return path


def _load_roster_by_command(running, folder: Path, organization, people) -> None:
    running.manage("load_roster", str(_roster_file(folder, organization, people)))
    assert RosterFile.objects.for_organization(organization).published().get().beneficiary_count == len(people)


def _mbi(patient: dict) -> str:
    return next(
        identifier["value"]
        for identifier in patient["identifier"]
        if identifier["system"] == "http://hl7.org/fhir/sid/us-mbi"
    )


def _accepted_by_an_independent_judge(resource: dict) -> None:
    """fhir.resources' R4B model of the type raises if the resource is not valid."""
    resource_type = resource["resourceType"]
    module = importlib.import_module(f"fhir.resources.R4B.{resource_type.lower()}")
    getattr(module, resource_type).model_validate(resource)
