"""Nothing waits while a worker is idle: exports started together, in turn, behind many, beside a cancelled one.

Whoever has to wait for a lease, for a message that is sent again, or for recovery, waits longer than each test does.
"""

import itertools
import random
import sys
import time

import pytest

from exports.models import Job
from portal.laptop.processes import EVERYTHING_ELSE
from tests.journeys.processes.installation import Installation, Worker, refreshed, wait_until

pytestmark = pytest.mark.journey

# Nothing of it comes to help.
NO_SECOND_CHANCE = {
    "EXPORT_LEASE_SECONDS": "3600",
    "EXPORT_MESSAGE_PATIENCE_SECONDS": "3600",
    "EXPORT_WORKERS_PER_ORGANIZATION": "2",
    "TEST_RECOVERY_SECONDS": "3600",
}
DEADLINE_SECONDS = 180
CANCELLED = 11
QUEUED = 128


def test_four_exports_of_one_client_started_together(site):
    two_workers(site)

    jobs = [site.start_job(path) for path in larger_ones_first(2)]

    wait_until_completed(jobs)


def test_twenty_exports_of_one_organization_started_together(site):
    two_workers(site)

    jobs = [site.start_job(path) for path in larger_ones_first(10)]

    wait_until_completed(jobs)


def test_an_export_started_a_moment_later(site):
    workers = two_workers(site, pace=0.01)
    first, second = larger_ones_first(1)
    jobs = [site.start_job(first)]
    wait_until(lambda: any(worker.is_copying for worker in workers), "the first is at work")

    jobs.append(site.start_job(second))

    wait_until_completed(jobs)


def test_a_small_export_behind_many_of_another_organization(site):
    workers = two_workers(site, pace=0.02)
    queued = [site.start_job(path) for path in larger_ones_first(QUEUED)[:QUEUED]]
    site.sign_in(site.api_of_mesa)

    small = site.start_job()
    site.start_worker(queues=EVERYTHING_ELSE, **NO_SECOND_CHANCE)
    wait_until_completed([small])

    left = Job.objects.unfinished().filter(pk__in=[job.pk for job in queued]).count()
    assert left > QUEUED / 2, "there was no line"
    assert all(worker.is_running for worker in workers)


def test_exports_cancelled_at_random_moments_hold_nobody_up(site):
    seed = random.randrange(2**32)
    sys.stdout.write(f"The moments of the cancellations come from seed {seed}.\n")
    chance = random.Random(seed)
    workers = two_workers(site, pace=0.005)
    hit = 0

    for number in itertools.count(1):
        cancelled = site.start_job(export_since(2001))
        beside = site.start_job(export_since(2002))
        time.sleep(chance.uniform(0, 0.6))
        hit += site.http.delete(f"/api/v2/jobs/{cancelled.pk}").status_code == 202
        following = site.start_job(export_since(2003))
        wait_until_completed([following, beside], what=f"cancellation {number}")
        if hit == CANCELLED:
            break
        assert number < 10 * CANCELLED, "most were finished before they were cancelled"

    for worker in workers:
        assert "Traceback" not in worker.log


def two_workers(site: Installation, pace: float = 0) -> list[Worker]:
    workers = [site.start_worker(pace, **NO_SECOND_CHANCE) for _ in range(2)]
    wait_until(lambda: all(worker.is_ready for worker in workers), "both are there")
    return workers


def export_since(year: int, types: str = "Patient") -> str:
    """The path of an export; of Patients alone it has four files."""
    return f"/api/v2/Patient/$export?_type={types}&_since={year}-01-01T00:00:00Z"


def larger_ones_first(count: int) -> list[str]:
    """The paths of so many exports of some twenty files, and of as many of four files."""
    years = [1901 + number % 100 for number in range(count)]
    return [export_since(year, types) for types in ("Patient,ExplanationOfBenefit", "Patient") for year in years]


def wait_until_completed(jobs: list[Job], *, what: str = "") -> None:
    def left() -> int:
        return sum(refreshed(job).is_unfinished for job in jobs)

    wait_until(lambda: not left(), f"{what} {len(jobs)} exports were finished".strip(), within=DEADLINE_SECONDS)
    assert {job.status for job in jobs} == {Job.Status.COMPLETED}
