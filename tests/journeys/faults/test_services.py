"""The broker, the database or the disk fails in the middle of an export: it is the same, byte for byte."""

import contextlib
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.journeys.processes.installation import FOR_EVER, Installation, Worker, wait_until

pytestmark = pytest.mark.journey

SMALL, LARGE = 100_000, 100_000_000  # the files of the export have some 200,000 bytes


def test_a_broker_that_loses_everything_costs_nothing(site, worker):
    worker.set_pace(FOR_EVER)
    job = site.start_job()
    wait_until(lambda: worker.is_copying, "it works")

    site.empty_the_broker()
    worker.set_pace(0)
    site.wait_for_completion_of(job)
    another = site.start_job()
    site.wait_for_completion_of(another)

    for each in (job, another):
        site.check_undisturbed(each)


def test_a_message_that_is_lost_before_a_worker_saw_it_is_sent_again(site):
    job = site.start_job()

    site.empty_the_broker()
    site.start_worker()
    site.wait_for_completion_of(job)

    site.check_undisturbed(job)


def test_a_broker_that_is_restarted_costs_nothing(site, worker):
    worker.set_pace(FOR_EVER)
    job = site.start_job()
    wait_until(lambda: worker.is_copying, "it works")

    site.stop_valkey()
    another = site.start_job()  # the client does not notice
    worker.set_pace(0)
    wait_until(job.files.exists, "it goes on writing")
    site.start_services()

    for each in (job, another):
        site.wait_for_completion_of(each)
        site.check_undisturbed(each)
    assert worker.is_running


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_a_database_that_is_restarted_costs_nothing(site, worker, mode):
    worker.set_pace(0.05)
    job = site.start_job()
    wait_until(lambda: job.files.count() >= 3 and worker.is_copying, "it is in the middle")

    site.stop_postgres(mode)
    meanwhile = site.http.get(f"/api/v2/jobs/{job.pk}")
    site.start_services()
    worker.set_pace(0)
    site.wait_for_completion_of(job)

    assert (meanwhile.status_code, meanwhile.headers["Retry-After"]) == (503, "5")
    assert meanwhile.json()["issue"][0]["code"] == "transient"
    assert worker.is_running
    site.check_undisturbed(job)


def test_after_a_restart_of_the_database_no_call_is_given_a_dead_connection(site):
    job = site.start_job()
    # So that the server has as many connections as it may have, and nobody waits long for one.
    with ThreadPoolExecutor(24) as threads:
        many = list(threads.map(lambda _: site.ask_for(job).status_code, range(240)))

    site.stop_postgres("fast")
    site.start_services()
    afterwards = [site.ask_for(job).status_code for _ in range(20)]

    assert set(many) == {202}
    assert set(afterwards) == {202}


def test_a_full_disk_leaves_no_half_file_and_the_export_goes_on_when_there_is_room(site, tmp_path):
    with small_disk(site, tmp_path) as (worker, make_room):
        job = site.start_job()
        wait_until(lambda: job.shards.filter(last_error__startswith="OSError").exists(), "the disk is full")
        wait_until(lambda: site.left(job, tmp_path) == names_of(job), "nothing is left of what did not fit")

        make_room()
        site.wait_for_completion_of(job)

        assert worker.is_running
        site.check_undisturbed(job, tmp_path)


def test_a_disk_that_stays_full_fails_the_export_with_the_reason(site, tmp_path):
    with small_disk(site, tmp_path, EXPORT_ATTEMPTS="2"):
        job = site.start_job()
        site.wait_for_failure_of(job, tmp_path)

    assert job.failure.startswith("A file could not be written in 2 attempts. OSError: ")
    assert "No space left on device" in job.failure or "File too large" in job.failure


def names_of(job) -> set[str]:
    return set(job.files.values_list("name", flat=True))


@contextlib.contextmanager
def small_disk(site: Installation, folder: Path, **environment: str) -> Iterator[tuple[Worker, Callable[[], None]]]:
    """A worker that has too little room for an export in `folder`, and what makes room.

    Root has a file system of that size made; others have the kernel refuse files that are too large.
    """
    if os.geteuid() == 0:
        with mounted(folder):
            worker = site.start_worker(EXPORTS_DIR=str(folder), **environment)
            yield worker, lambda: mount("-o", f"remount,size={LARGE}", str(folder))
            site.end_workers()
    else:
        worker = site.start_worker(EXPORTS_DIR=str(folder), **environment)
        wait_until(lambda: worker.is_ready, "its processes are there")
        limit_files(worker, 4096)
        yield worker, lambda: limit_files(worker, resource.RLIM_INFINITY)


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[None]:
    mount("-t", "tmpfs", "-o", f"size={SMALL}", "tmpfs", str(folder))
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def limit_files(worker: Worker, size: int) -> None:
    for process in psutil.Process(worker.process.pid).children(recursive=True):
        process.rlimit(psutil.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
