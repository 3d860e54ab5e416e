"""One organization's request, or a row that stems from one, and everybody else's exports."""

import time

import httpx
import pytest

from exports.models import Job
from portal.celery import app as celery
from tests import poison
from tests.exports.store import load, patient
from tests.journeys.conftest import Running
from tests.world import HOME_ADDRESS, KICK_OFF_HEADERS, ApiClient, World

pytestmark = pytest.mark.journey

PATIENCE_SECONDS = 90
EXPORT = "/api/v2/Patient/$export"
# East of Greenwich the year 1 began when in UTC it was still before Christ.
POISON = "0001-01-01T00:00:00%2B05:30"


class Caller:
    """A client of the API that has signed in, calling over HTTP through a proxy."""

    def __init__(self, api: ApiClient, base_url: str) -> None:
        self.http = httpx.Client(base_url=base_url, headers={"X-Forwarded-For": HOME_ADDRESS}, timeout=30)
        answer = self.http.post("/auth/token", auth=(api.client.client_id, api.secret), content=b"")
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def start(self) -> Job:
        answer = self.http.get(EXPORT, headers=KICK_OFF_HEADERS)
        assert answer.status_code == 202, answer.text
        return Job.objects.get(pk=answer.headers["Content-Location"].rpartition("/")[2])

    def wait_for(self, job: Job) -> dict:
        """The manifest."""
        until = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < until:
            answer = self.http.get(f"/api/v2/jobs/{job.pk}")
            if answer.status_code == 200:
                return answer.json()
            assert answer.status_code == 202, answer.text
            time.sleep(0.1)
        raise AssertionError(f"Job {job.pk} was not finished after {PATIENCE_SECONDS} s.")


@pytest.fixture
def running(running_with) -> Running:
    return running_with(has_worker=False)


@pytest.fixture
def callers(running) -> tuple[Caller, Caller]:
    """Of Harbor and of Mesa, who both have people and claims."""
    world = World()
    harbor, mesa = world.beneficiaries(2), world.beneficiaries(3)
    world.roster(world.harbor, harbor)
    world.roster(world.mesa, mesa)
    load({mbi: [patient(mbi)] for mbi in harbor + mesa})
    return tuple(Caller(world.api_client(of), running.base_url) for of in (world.harbor, world.mesa))


def test_a_since_before_christ_is_refused_and_says_why(callers):
    answer = callers[0].http.get(f"{EXPORT}?_since={POISON}", headers=KICK_OFF_HEADERS)

    assert answer.status_code == 400
    assert "must not be before 1900-01-01T00:00:00Z" in answer.json()["issue"][0]["diagnostics"]
    assert not Job.objects.exists()


def test_a_row_with_a_time_before_christ_holds_up_nobodys_export_and_not_even_its_own(running, callers):
    harbor, mesa = callers
    poisoned, healthy = harbor.start(), mesa.start()
    poison.write(poisoned, sent_at=poison.BEFORE_CHRIST, planned_at=poison.BEFORE_CHRIST)
    # Their messages are lost, so recovery has to see to both.
    celery.control.purge()
    Job.objects.filter(pk=healthy.pk).update(sent_at=None)
    told = harbor.http.get(f"/api/v2/jobs/{poisoned.pk}")

    running.start_worker()
    manifest = mesa.wait_for(healthy)

    assert told.status_code == 202
    assert [entry["count"] for entry in manifest["output"]] == [3]
    assert [entry["count"] for entry in harbor.wait_for(poisoned)["output"]] == [2]
