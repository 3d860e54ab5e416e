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
from portal.laptop.processes import start_workers
from tests.benchmarks import store
from tests.benchmarks.measuring import Figure, at_least, at_most, in_turn, ratio

# Nearly everybody has claims before, between and after.
FROM, THROUGH = dt.date(2024, 3, 1), dt.date(2026, 3, 1)
# Files that two workers share: an even number, else one of them idles at the end.
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


def _planned(entity_id: str = store.A_GIGABYTE) -> Job:
    return store.planned(entity_id, types=("ExplanationOfBenefit",), claims_from_date=FROM, claims_through_date=THROUGH)


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
    """The same export of the whole store, by a worker of one process and by a worker of two."""
    times = in_turn(
        one=partial(_seconds_by_a_worker, folder / "one", concurrency=1),
        two=partial(_seconds_by_a_worker, folder / "two", concurrency=2),
    )
    yield at_most("two workers against one, every chunk of the store cut", ratio(times, "two", "one"), 0.65, times)


def _seconds_by_a_worker(folder: Path, *, concurrency: int) -> float:
    """From the call of the workers to the last file's record; the worker has started before."""
    workers = start_workers(folder, writers=concurrency)
    try:
        _until_written(store.planned(store.FIFTY))
        length = store.bytes_of(_planned(store.WHOLE))
        with override_settings(EXPORT_FILE_BYTES=length // FILES + 1):
            return _until_written(_planned(store.WHOLE))
    finally:
        for worker in workers:
            worker.stop()


def _until_written(job: Job) -> float:
    began = time.time()
    call_writers()
    while Shard.objects.filter(job=job).unwritten().exists():
        time.sleep(0.25)  # the work needs the cores; the record tells when it was done
    taken = OutputFile.objects.filter(job=job).latest("written_at").written_at.timestamp() - began
    store.forget(job)
    return taken
