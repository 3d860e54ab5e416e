"""Exports whose bounds fall among the claims of every chunk: each is inflated, filtered and deflated again."""

import datetime as dt
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from django.test import override_settings

from exports.claims import splice
from exports.claims.cutting import ServiceDates, cut
from exports.models import Job, OutputFile, Shard
from exports.pipeline.plan import selection_of
from exports.sources import SOURCES
from exports.tasks import call_writers
from portal.processes import start_worker
from tests.benchmarks import store
from tests.benchmarks.measuring import Figure, at_least, at_most, in_turn, ratio

# Nearly everybody has claims before, between and after.
FROM, THROUGH = dt.date(2024, 3, 1), dt.date(2026, 3, 1)
# Files that two workers share.
FILES = 16


def figures(folder: Path) -> Iterator[Figure]:
    store.prepare()
    job = _planned()
    pieces = [piece for shard in job.shards.all() for piece in SOURCES["store"].pieces(selection_of(shard))]
    share = sum(piece.is_cut for piece in pieces) / len(pieces)
    # Both sides look into the same chunks: the few that are not cut are left out of the loop, which costs them nothing.
    loop = [
        (piece.body, splice.inflate(cut(piece.body, ServiceDates(FROM, THROUGH)).deflated))
        for piece in pieces
        if piece.is_cut
    ]
    del pieces
    store.forget(job)
    times = in_turn(export=_seconds, loop=partial(_inflate_and_deflate, loop))
    yield at_least(
        f"export of which {share:.0%} of the chunks are cut, against inflate and deflate of the same bytes in a loop",
        ratio(times, "loop", "export"), 0.5, times,
    )  # fmt: skip
    del loop
    yield from _two_workers(folder)


def _planned() -> Job:
    return store.planned(
        store.A_GIGABYTE, types=("ExplanationOfBenefit",), claims_from_date=FROM, claims_through_date=THROUGH
    )


def _seconds() -> float:
    job = _planned()
    taken = store.seconds_to_write(job)
    store.forget(job)
    return taken


def _inflate_and_deflate(loop: list[tuple[splice.Body, bytes]]) -> None:
    for body, kept in loop:
        splice.inflate(body.deflated)
        splice.deflate(kept, 1, level=splice.FAST)


def _two_workers(folder: Path) -> Iterator[Figure]:
    """The same export, by a worker of one process and by a worker of two."""
    environment = {"EXPORT_WORKERS_PER_ORGANIZATION": "2"}
    times: dict[str, list[float]] = {"one": [], "two": []}
    for name, concurrency in (("one", 1), ("two", 2)):
        worker = start_worker(folder / name, concurrency=concurrency, environment=environment)
        try:
            _by_the_worker()
            times[name] = [_by_the_worker() for _ in range(5)]
        finally:
            worker.stop()
    yield at_most(
        "two workers against one, an export of which every chunk is cut", ratio(times, "two", "one"), 0.65, times
    )


def _by_the_worker() -> float:
    """Seconds from the call to the last file's record."""
    with override_settings(EXPORT_FILE_BYTES=store.planned_bytes(store.A_GIGABYTE) // FILES):
        job = _planned()
    began = time.time()
    call_writers(job.organization_id)
    while Shard.objects.filter(job=job).unwritten().exists():
        time.sleep(0.1)  # the work needs the cores; the record tells when it was done
    taken = OutputFile.objects.filter(job=job).latest("written_at").written_at.timestamp() - began
    store.forget(job)
    return taken
