"""Puts small, readable claims into the store and takes exports out of it, for the tests."""

import datetime as dt
import gzip
import json

from attribution.cohorts import ALL
from credentials.actor import Actor
from exports import kickoff, storage
from exports.claims.loader import Arrival, loading
from exports.models import Job, Load, Shard
from exports.pipeline import finish, plan
from tests.exports.turn import take_and_write

EVERYTHING = ("Patient", "Coverage", "ExplanationOfBenefit")


def patient(mbi: str, **more) -> Arrival:
    return arrival("Patient", f"p-{mbi}", **more)


def arrival(resource_type: str, resource_id: str, *, service_date: dt.date | None = None, **more) -> Arrival:
    body = {"resourceType": resource_type, "id": resource_id, **more}
    return Arrival(resource_type, resource_id, json.dumps(body).encode() + b"\n", service_date)


def load(arrivals: dict[str, list[Arrival]], *, source: str = "a test") -> Load:
    with loading(source) as under_way:
        for mbi, of_beneficiary in arrivals.items():
            under_way.add(mbi, of_beneficiary, version=2)
    return under_way.load


def fill(world) -> Load:
    """Someone's claims, so that the store is not empty. Whoever it is, they are on no roster."""
    (mbi,) = world.beneficiaries(1)
    return load({mbi: [patient(mbi)]})


def run(job: Job) -> Job:
    """All steps of a job, as a worker would run them."""
    plan.plan(job.pk)
    for shard_id in Shard.objects.filter(job=job).values_list("pk", flat=True):
        take_and_write(shard_id)
    job.refresh_from_db()
    finish.finish(job)
    job.refresh_from_db()
    return job


def start(organization, *, scope=Job.Scope.PATIENT, rule=ALL, since=None, resource_types=EVERYTHING) -> Job:
    """A job of an organization that nobody works at yet."""
    return kickoff.kick_off(
        organization=organization,
        version=2,
        scope=scope,
        rule=rule,
        resource_types=resource_types,
        since=since,
        request_url="http://testserver/api/v2/Group/all/$export",
        by=Actor(),
    )


def lines(job: Job) -> list[bytes]:
    """All lines of a job's files, in their order."""
    found: list[bytes] = []
    for file in job.files.all():
        with storage.opened(job.pk, file.name) as stored:
            found += gzip.decompress(stored.read()).splitlines(keepends=True)
    return found


def exported(job: Job) -> dict[str, list[str]]:
    """The ids in the files of a job, by resource type, in their order."""
    return {type_: [line["id"] for line in lines_] for type_, lines_ in _read(job, Shard.Kind.OUTPUT).items()}


def deleted(job: Job) -> dict[str, list[list[str]]]:
    """The resources that a job tells to delete, as they are named: for each person, by resource type."""
    found: dict[str, list[list[str]]] = {}
    for type_, bundles in _read(job, Shard.Kind.DELETED).items():
        assert {(bundle["resourceType"], bundle["type"]) for bundle in bundles} == {("Bundle", "transaction")}
        requests = [[entry["request"] for entry in bundle["entry"]] for bundle in bundles]
        assert {request["method"] for of_person in requests for request in of_person} == {"DELETE"}
        found[type_] = [[request["url"] for request in of_person] for of_person in requests]
    return found


def _read(job: Job, kind: Shard.Kind) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    for file in job.files.filter(shard__kind=kind):
        with storage.opened(job.pk, file.name) as stored:
            lines = gzip.decompress(stored.read()).splitlines()
        assert len(lines) == file.resource_count
        found.setdefault(file.resource_type, []).extend(map(json.loads, lines))
    return found
