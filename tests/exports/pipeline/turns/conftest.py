"""Jobs that are planned, and the broker of their writers."""

import pytest

from credentials.actor import Actor
from exports import kickoff, tasks
from exports.models import Job
from exports.pipeline import plan
from tests.exports.store import load, patient


@pytest.fixture
def planned(world, settings):
    """Plans a job of an organization, of so many shards."""
    settings.EXPORT_FILE_BYTES = 1
    settings.EXPORT_WORKERS_PER_ORGANIZATION = 2

    def planned(organization, shards: int, *, since=None) -> Job:
        mbis = world.beneficiaries(shards)
        world.roster(organization, mbis)
        load({mbi: [patient(mbi)] for mbi in mbis})
        job = kickoff.kick_off(
            organization=organization,
            version=2,
            scope=Job.Scope.PATIENT,
            resource_types=["Patient"],
            since=since,
            request_url="http://testserver/api/v2/Patient/$export",
            by=Actor(),
        )
        plan.plan(job.pk)
        return job

    return planned


@pytest.fixture
def broker(monkeypatch):
    """A queue for the writers, in which nothing is lost but what a test takes out."""
    queue: list[int] = []
    monkeypatch.setattr(tasks.write, "delay", lambda: queue.append(1))
    monkeypatch.setattr(tasks, "_is_waiting", lambda _queue: bool(queue))
    return queue
