"""Workers that die, stand still, hang or have another clock: the export is the same, byte for byte."""

import contextlib
import datetime as dt
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection, transaction

from exports.models import Job, Shard
from exports.pipeline.recover import recover
from tests.journeys.conftest import required_program
from tests.journeys.processes.installation import FOR_EVER, refreshed, wait_until, waiting_for

pytestmark = pytest.mark.journey

KILLS = 26
# Whoever has to wait for a lease or for a message that is sent again, waits longer than the test.
NO_SECOND_CHANCE = {"EXPORT_LEASE_SECONDS": "600", "EXPORT_MESSAGE_PATIENCE_SECONDS": "600"}
FAKED = Path(__file__).parent / "faked"
AHEAD, BEHIND = "+1h", "-1h"
# Of workers that live, and keep their files however slow the machine is.
LONG_LEASE = {"EXPORT_LEASE_SECONDS": "600"}


def test_workers_killed_again_and_again_cost_nothing(site):
    seed = random.randrange(2**32)
    sys.stdout.write(f"The moments of the kills come from seed {seed}.\n")
    chance = random.Random(seed)
    jobs = [site.start_job()]
    workers = [site.start_worker(pace=0.06) for _ in range(3)]
    moments: dict[int, float] = {}
    until = time.monotonic() + 300

    kills = 0
    while kills < KILLS:
        assert time.monotonic() < until, f"only {kills} kills; see {site.folder}/workers"
        if not refreshed(jobs[-1]).is_unfinished:
            jobs.append(site.start_job())
        for place, worker in enumerate(workers):
            if place not in moments and worker.is_copying:
                moments[place] = time.monotonic() + chance.uniform(0, 1.2)
            elif place in moments and time.monotonic() > moments[place]:
                worker.kill()
                kills += 1
                del moments[place]
                workers[place] = site.start_worker(pace=0.06)
        time.sleep(0.01)
    for worker in workers:
        worker.set_pace(0)
    for job in jobs:
        site.wait_for_completion_of(job)

    attempts = [each for job in jobs for each in attempts_at(job)]
    assert sum(attempts) - len(attempts) > KILLS / 2, "too few kills hit a worker that was writing"
    for job in jobs:
        site.check_undisturbed(job)


def test_workers_that_are_asked_to_end_leave_nothing_to_wait_for(site):
    leaving = [site.start_worker(FOR_EVER, **NO_SECOND_CHANCE) for _ in range(2)]
    job = site.start_job()
    wait_until(lambda: all(worker.is_copying for worker in leaving), "both are at work")
    staying = site.start_worker(**NO_SECOND_CHANCE)
    wait_until(lambda: staying.is_ready, "another can take over")

    for worker, to_all in zip(leaving, (False, True), strict=True):
        worker.send(signal.SIGTERM, to_all=to_all)
        worker.set_pace(0)
    site.wait_for_completion_of(job)

    # Asked alone, it finishes its file; one whose children are asked too gives the file back at once.
    assert attempts_at(job)[-2:] in ([1, 2], [1, 1])
    wait_until(lambda: not any(worker.is_running for worker in leaving), "both have ended")
    site.check_undisturbed(job)


def test_a_worker_that_stood_still_while_another_finished_disturbs_nothing(site):
    asleep, awake = site.start_worker(FOR_EVER), site.start_worker(FOR_EVER, **LONG_LEASE)
    job = site.start_job()
    wait_until(lambda: asleep.is_copying and awake.is_copying, "both are at work")

    asleep.freeze()
    awake.set_pace(0)
    site.wait_for_completion_of(job)
    written = site.stored(job)
    asleep.set_pace(0)
    asleep.thaw()
    wait_until(lambda: asleep.has_let_go, "the sleeper has noticed")

    assert attempts_at(job)[-2:] == [1, 2]
    assert site.stored(job) == written
    site.check_undisturbed(refreshed(job))


def test_a_worker_that_stood_still_while_another_writes_the_same_file_does_not_mix_them(site):
    job = site.start_job()
    asleep = site.start_worker()
    asleep.set_pace(closing=FOR_EVER)
    wait_until(lambda: asleep.is_closing, "the one has only to close its file")

    asleep.freeze()
    wait_until(lambda: job.shards.free().filter(status=Shard.Status.WRITING).exists(), "its lease is over")
    recover()  # or the other's first message, sent long ago, is for another file
    awake = site.start_worker(FOR_EVER, **LONG_LEASE)
    wait_until(lambda: awake.is_copying, "the other has begun")
    assert attempts_at(job)[-1] == 2, "it was given another file"
    asleep.send(signal.SIGTERM)  # after this file it takes no other
    asleep.set_pace(0)
    asleep.thaw()
    wait_until(lambda: asleep.has_let_go, "the sleeper has noticed")
    half_written = [name for name in site.left(job) if name.startswith(".")]
    recorded = job.files.count()
    awake.set_pace(0)
    site.wait_for_completion_of(job)

    assert len(half_written) == 1, "the late one has touched the other's file"
    assert recorded == 0, "the late one has handed in what is no longer its own"
    assert attempts_at(job)[-2:] == [1, 2]
    site.check_undisturbed(job)


def test_a_worker_that_stands_still_in_a_transaction_holds_nobody_up(site):
    asleep = site.start_worker()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE exports_outputfile IN ACCESS EXCLUSIVE MODE")
        job = site.start_job()
        wait_until(lambda: waiting_for("exports_outputfile"), "the worker hands in its file")
        asleep.freeze()
    wait_until(lambda: stands_idle_in("INSERT INTO exports_outputfile"), "it has its locks, and says nothing more")

    site.start_worker(**LONG_LEASE)
    site.wait_for_completion_of(job)
    written = site.stored(job)
    asleep.thaw()
    wait_until(lambda: asleep.has_let_go, "the sleeper has noticed")

    assert attempts_at(job)[-2:] == [1, 2]
    assert site.stored(job) == written
    site.check_undisturbed(refreshed(job))


@pytest.mark.debian
def test_clocks_that_differ_by_hours_change_nothing(site):
    ahead = site.start_worker(FOR_EVER, **LONG_LEASE, TEST_RECOVERY_SECONDS="3600", **clock(AHEAD))
    behind = site.start_worker(FOR_EVER, **LONG_LEASE, **clock(BEHIND))
    job = site.start_job()
    wait_until(lambda: ahead.is_copying and behind.is_copying, "both work")
    taken = writing(job)

    wait_until(lambda: all(later > taken[pk] for pk, later in writing(job).items()), "both have renewed their leases")
    recover()
    assert writing(job).keys() == taken.keys()
    assert attempts_at(job)[-1] == 1, "a shard was taken from a living worker"

    dead = site.start_worker(FOR_EVER)
    wait_until(lambda: dead.is_copying, "a third works")
    dead.kill()
    # From here on one worker alone takes messages, whose clock is two hours ahead of the one that sends them.
    ahead.set_pace(0)
    wait_until(lambda: job.shards.unwritten().count() == 1, "all is written but what the other one holds")
    behind.set_pace(0)
    site.wait_for_completion_of(job)

    assert attempts_at(job)[-2:] == [1, 2]
    assert (hours_of(ahead), hours_of(behind)) == (1, -1)
    site.check_undisturbed(job)


def test_a_worker_that_hangs_gives_its_file_back(site):
    worker = site.start_worker(FOR_EVER, TEST_TASK_SECONDS="2", EXPORT_WORKERS_PER_ORGANIZATION="1")
    job = site.start_job()

    wait_until(lambda: job.shards.filter(last_error__startswith="SoftTimeLimitExceeded").exists(), "it gave up")
    worker.set_pace(0)
    site.wait_for_completion_of(job)

    site.check_undisturbed(job)


def test_a_file_that_always_hangs_fails_the_export_with_the_reason(site):
    site.start_worker(FOR_EVER, TEST_TASK_SECONDS="2", EXPORT_WORKERS_PER_ORGANIZATION="1", EXPORT_ATTEMPTS="2")
    job = site.start_job()

    site.wait_for_failure_of(job)

    assert job.failure.startswith("A file could not be written in 2 attempts. SoftTimeLimitExceeded")


def test_a_worker_whose_connection_hangs_is_ended_and_replaced(site):
    worker = site.start_worker(FOR_EVER, TEST_TASK_SECONDS="2")
    job = site.start_job()
    wait_until(lambda: worker.is_copying, "it works")
    [hung] = writing(job)

    with frozen_backend("COPY ("):
        # It cannot even give its file back, since that would take the same connection.
        wait_until(lambda: "Hard time limit" in worker.log, "Celery has ended it")
        worker.set_pace(0)
        site.wait_for_completion_of(job)

    assert job.shards.get(pk=hung).attempts > 1
    site.check_undisturbed(job)


def attempts_at(job: Job) -> list[int]:
    return sorted(job.shards.values_list("attempts", flat=True))


def writing(job: Job) -> dict[int, dt.datetime]:
    """The shards that are being written, and until when their workers' leases are."""
    return dict(job.shards.filter(status=Shard.Status.WRITING).values_list("pk", "lease_until"))


def stands_idle_in(query: str) -> bool:
    """Whether a transaction is open in which nothing goes on since a query with these words."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_stat_activity WHERE state = 'idle in transaction' AND query LIKE %s", [f"%{query}%"]
        )
        return cursor.fetchone() is not None


@contextlib.contextmanager
def frozen_backend(query: str) -> Iterator[None]:
    """PostgreSQL's process for the connection whose last query has these words does not answer any more."""
    # Not in the middle of something: it might hold a lock that all processes of PostgreSQL need now and then.
    idle = "state = 'idle' AND wait_event = 'ClientRead' AND pid <> pg_backend_pid()"
    found: list[tuple[int]] = []

    def find() -> list[tuple[int]]:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT pid FROM pg_stat_activity WHERE query LIKE %s AND {idle}", [f"%{query}%"])
            found[:] = cursor.fetchall()
        return found

    wait_until(find, "the connection is idle")
    [(pid,)] = found
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def clock(offset: str) -> dict[str, str]:
    """The environment of a process whose clock differs so much."""
    command = [required_program("faketime"), "-m", "-f", offset, "env"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    told = dict(line.partition("=")[::2] for line in output.splitlines())
    return {
        "LD_PRELOAD": told["LD_PRELOAD"],
        "FAKETIME": told["FAKETIME"],
        # Only the time of day is wrong: what Python waits for goes by the other clock.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "PYTHONPATH": str(FAKED),
    }


def hours_of(worker) -> int:
    """How far the clock of a worker is ahead, from its log."""
    *_, last = re.findall(r"^(\d{4}-\S+ \d\d:\d\d:\d\d),\d+ INFO", worker.log, re.MULTILINE)
    return round((dt.datetime.fromisoformat(f"{last}+00:00") - dt.datetime.now(dt.UTC)) / dt.timedelta(hours=1))
