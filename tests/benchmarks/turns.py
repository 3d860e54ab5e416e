"""Exports beside others: many at once, a small one behind many, and what it costs to choose the next file."""

import time
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from django.db import connection, transaction

from exports import storage
from exports.models import Job, Shard
from exports.pipeline import turns
from exports.tasks import call_writers
from portal.laptop import processes
from portal.laptop.bulk_client import BulkClient
from tests.benchmarks import store
from tests.benchmarks.jobs import REQUESTS, ask, client_of
from tests.benchmarks.measuring import Figure, at_most, in_turn, ratio
from tests.ports import free_port

FILE_BYTES = 3_000_000
# Of each of two organizations; each export has a `_since` of its own, before anything was loaded.
EXPORTS = 4
PLANNED = 500
SHARDS_EACH = 200
PAUSE_SECONDS = 0.005
PATIENCE_SECONDS = 300


def figures(folder: Path) -> Iterator[Figure]:
    """Measured over HTTP, with the workers of the demo: two that write, and one for all else."""
    store.prepare()
    port = free_port()
    server = processes.start_server(folder, port=port)
    workers: list[processes.Process] = []
    try:
        processes.wait_until_up(f"http://localhost:{port}", server)
        yield _choosing(client_of(store.FIFTY, port))
        workers = processes.start_workers(folder, environment={"EXPORT_FILE_BYTES": str(FILE_BYTES)}, writers=2)
        yield _together([client_of(store.FIFTY, port), client_of(store.HALF_OF_100_MB, port)])
        yield _behind(client_of(store.ANOTHER, port))
    finally:
        for process in (server, *workers):
            process.stop()


def _choosing(client: BulkClient) -> Figure:
    """Taking the next of so many shards: the lock, the choice and the record of it."""
    status = client.start(_since(1))  # no worker runs: its job stays as it is
    jobs = _planned(store.planned(store.FIFTY), shards=SHARDS_EACH)
    try:
        count = Shard.objects.filter(job__in=jobs, status=Shard.Status.WAITING).count()
        times = in_turn(choices=_choose, requests=partial(ask, client, status))
    finally:
        _forget(jobs)
        Job.objects.unfinished().update(status=Job.Status.CANCELLED)
    value = ratio(times, "choices", "requests")
    return at_most(f"choosing a file with {count:,} waiting, in status requests", value, 1, times)


def _choose() -> None:
    for _ in range(REQUESTS):
        assert turns.take_next(uuid.uuid4()), "nothing was there to be taken"


def _together(clients: list[BulkClient]) -> Figure:
    """The same exports, started at once and one after the other."""
    exports = [(client, _since(day)) for day in range(1, EXPORTS + 1) for client in clients]

    def each_after_the_other() -> None:
        for client, path in exports:
            jobs.append(_started(client, path))
            _wait(jobs[-1:])

    def at_once() -> None:
        jobs.extend(_started(client, path) for client, path in exports)
        _wait(jobs)

    jobs: list[int] = []
    times = in_turn(apart=each_after_the_other, together=at_once)
    _forget(jobs)
    name = f"{len(exports)} exports of {len(clients)} organizations started at once, against one after the other"
    return at_most(name, ratio(times, "together", "apart"), 1.1, times)


def _behind(client: BulkClient) -> Figure:
    """A small export alone, and while another organization has many planned ones."""
    times = in_turn(alone=lambda: _seconds(client), behind=lambda: _seconds_behind_many(client))
    name = f"a small export while another organization has {PLANNED} planned ones, against alone"
    return at_most(name, ratio(times, "behind", "alone"), 3, times)


def _seconds(client: BulkClient) -> float:
    began = time.perf_counter()
    jobs = [_started(client, _since(1))]
    _wait(jobs)
    taken = time.perf_counter() - began
    _forget(jobs)
    return taken


def _seconds_behind_many(client: BulkClient) -> float:
    with transaction.atomic():
        jobs = _planned(store.planned(store.A_MEGABYTE, types=("ExplanationOfBenefit",)), shards=1)
    call_writers()
    try:
        taken = _seconds(client)
        assert Job.objects.unfinished().filter(pk__in=jobs).count() > PLANNED / 2, "there was no line"
    finally:
        _wait(jobs)
        _forget(jobs)
    return taken


def _since(day: int) -> str:
    return f"api/v2/Patient/$export?_since=2001-01-{day:02}T00:00:00Z"


def _started(client: BulkClient, path: str) -> int:
    """The number of a new job."""
    return int(client.start(path).rpartition("/")[2])


def _wait(jobs: list[int]) -> None:
    """Until all are finished; asked of the database, since status requests would want the cores."""
    mine = Job.objects.filter(pk__in=jobs)
    until = time.monotonic() + PATIENCE_SECONDS
    while mine.unfinished().exists():
        assert time.monotonic() < until, f"{mine.unfinished().count()} exports are not finished"
        time.sleep(PAUSE_SECONDS)
    assert not mine.exclude(status=Job.Status.COMPLETED).exists()


def _planned(job: Job, *, shards: int) -> list[int]:
    """The numbers of PLANNED copies of a planned job, each with its first shard so many times."""
    alike = {
        model: ", ".join(field.column for field in model._meta.local_concrete_fields if field.column not in differs)
        for model, differs in ((Job, {"id"}), (Shard, {"id", "job_id", "number", "file_name"}))
    }
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO exports_job ({alike[Job]})
            SELECT {alike[Job]} FROM exports_job, generate_series(1, %s) WHERE id = %s RETURNING id
            """,
            [PLANNED, job.pk],
        )
        jobs = [pk for (pk,) in cursor.fetchall()]
        cursor.execute(
            f"""
            INSERT INTO exports_shard ({alike[Shard]}, job_id, number, file_name)
            SELECT {alike[Shard]}, copy, place, gen_random_uuid() || '.ndjson'
            FROM exports_shard, unnest(%s) copy, generate_series(1, %s) place
            WHERE job_id = %s AND number = 0
            """,
            [jobs, shards, job.pk],
        )
        cursor.execute("ANALYZE exports_job, exports_shard")
    store.forget(job)
    return jobs


def _forget(jobs: list[int]) -> None:
    for job in jobs:
        storage.remove_all(job)
    with connection.cursor() as cursor:
        for table, column in (("outputfile", "job_id"), ("shard", "job_id"), ("job", "id")):
            cursor.execute(f"DELETE FROM exports_{table} WHERE {column} = ANY(%s)", [jobs])
