"""Clients that change their minds, and clients that are slow: what is called off or over leaves nothing behind."""

import gzip
import http.client
import random
import socket

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from exports.models import Job, Shard
from portal.laptop.processes import EVERYTHING_ELSE
from tests.exports.store import load, patient
from tests.journeys.processes.installation import FOR_EVER, Installation, refreshed, wait_until, waiting_for
from tests.world import OrganizationFactory

pytestmark = pytest.mark.journey

SLOW_PACE = 0.5
# More than all buffers between the server and a client hold.
MUCH = 12_000_000


def test_an_export_called_off_before_it_was_planned_is_not_planned(site):
    job = site.start_job()

    called_off(site, job)
    worker = site.start_worker()
    wait_until(lambda: "Task exports.tasks.plan" in worker.log, "the worker has the message")

    nothing_is_left(site, job)
    assert not job.shards.exists()


def test_an_export_called_off_before_it_was_written_is_not_written(site):
    site.start_worker(queues=EVERYTHING_ELSE)
    job = site.start_job()
    wait_until(lambda: refreshed(job).status == Job.Status.IN_PROGRESS, "it is planned")

    called_off(site, job)
    site.end_workers()
    worker = site.start_worker()
    wait_until(lambda: worker.has_done("recover"), "the worker has looked for work")

    nothing_is_left(site, job)
    assert not job.shards.exclude(attempts=0).exists()


def test_an_export_called_off_while_it_is_written_stops_at_once(site, worker):
    worker.set_pace(closing=FOR_EVER)
    job = site.start_job()
    wait_until(lambda: worker.is_closing, "a file is nearly ready")
    worker.set_pace(SLOW_PACE)
    wait_until(lambda: job.files.count() == 1 and worker.is_copying, "the next is begun")
    before = worker.has_done("write")

    called_off(site, job)
    wait_until(lambda: worker.has_done("write") > before, "the worker lets go")

    assert worker.is_copying, "it went on to the end of its file"
    nothing_is_left(site, job)


def test_an_export_called_off_while_its_last_file_is_handed_in_is_not_completed(site, worker):
    site.sign_in(site.api_of_mesa)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE exports_outputfile IN ACCESS EXCLUSIVE MODE")
        job = site.start_job()
        wait_until(lambda: waiting_for("exports_outputfile"), "its only file is handed in")
        called_off(site, job)

    nothing_is_left(site, job)


def test_what_a_worker_begins_after_the_export_was_called_off_goes_as_well(site):
    job = site.start_job()
    late = site.start_worker(FOR_EVER, EXPORT_LEASE_SECONDS="600")
    wait_until(lambda: late.is_copying, "it works")
    other = site.start_worker()
    wait_until(lambda: other.is_ready, "there is another worker")

    late.freeze()
    called_off(site, job)
    wait_until(lambda: not site.left(job), "its files are gone")
    # What it would do next, had it stood still a moment earlier: begin a file. Then it dies.
    site.folder_of(job).mkdir(exist_ok=True)
    (site.folder_of(job) / ".half").write_bytes(b"half")
    late.kill()
    assert not refreshed(job).files_removed_at, "it may still write"
    job.shards.filter(status=Shard.Status.WRITING).update(lease_until=Now())

    nothing_is_left(site, job)


def test_a_finished_export_cannot_be_called_off(site, worker):
    job = site.start_job()
    site.wait_for_completion_of(job)

    refused = site.http.delete(f"/api/v2/jobs/{job.pk}")

    assert (refused.status_code, refused.json()["resourceType"]) == (410, "OperationOutcome")
    site.check_undisturbed(refreshed(job))


def test_a_download_that_has_begun_arrives_whole_though_the_export_expires(site, worker):
    job = big_job(site)
    path = f"/data/{job.pk}/{job.files.get().name}"
    stored = site.folder_of(job) / job.files.get().name
    compressed = stored.read_bytes()
    downloads = {coding: SlowDownload(site, path, coding) for coding in ("gzip", "identity")}

    Job.objects.filter(pk=job.pk).update(expires_at=Now())
    wait_until(lambda: not site.left(job), "its files are gone")
    after = site.http.get(path)

    assert downloads["gzip"].rest() == compressed
    assert downloads["identity"].rest() == gzip.decompress(compressed)
    assert (after.status_code, after.json()["resourceType"]) == (410, "OperationOutcome")
    assert site.ask_for(job).status_code == 410


class SlowDownload:
    """A client that has read the beginning of a file, and takes no more until it is asked for the rest."""

    def __init__(self, site: Installation, path: str, coding: str) -> None:
        self._http = http.client.HTTPConnection("localhost", site.port, timeout=60)
        self._http.sock = socket.socket()
        self._http.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        self._http.sock.connect(("127.0.0.1", site.port))
        headers = {name: site.http.headers[name] for name in ("Authorization", "X-Forwarded-For")}
        self._http.request("GET", path, headers={**headers, "Accept-Encoding": coding})
        self._answer = self._http.getresponse()
        assert self._answer.status == 200
        assert int(self._answer.headers["Content-Length"]) > MUCH
        self._beginning = self._answer.read(1000)

    def rest(self) -> bytes:
        """The whole file, now."""
        return self._beginning + self._answer.read()


def big_job(site: Installation) -> Job:
    """A completed job with one big file."""
    organization = OrganizationFactory()
    [mbi] = site.world.beneficiaries(1)
    site.world.roster(organization, [mbi])
    load({mbi: [patient(mbi, note=random.Random(1).randbytes(MUCH).hex())]})
    site.sign_in(site.world.api_client(organization))
    job = site.start_job()
    site.wait_for_completion_of(job)
    return job


def called_off(site: Installation, job: Job) -> None:
    assert site.http.delete(f"/api/v2/jobs/{job.pk}").status_code == 202
    assert site.ask_for(job).status_code == 404


def nothing_is_left(site: Installation, job: Job) -> None:
    """Of a job that was called off: no file and no record of one, and so it stays."""
    wait_until(lambda: refreshed(job).files_removed_at, "it is cleared away")
    assert job.status == Job.Status.CANCELLED
    assert not site.folder_of(job).exists()
    assert not job.files.exists()
    answer = site.ask_for(job)
    assert (answer.status_code, answer.json()["resourceType"]) == (404, "OperationOutcome")
