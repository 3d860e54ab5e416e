"""The write step of exports against PostgreSQL's own ways of getting the same bytes out."""

import datetime as dt
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from django.conf import settings

from tests.benchmarks import store
from tests.benchmarks.measuring import Figure, at_least, at_most, in_turn, ratio
from tests.benchmarks.psql import Psql


def figures(folder: Path) -> Iterator[Figure]:
    """Figures of whole chunks, that nothing looks into; `folder` holds what psql writes."""
    store.prepare()
    psql = Psql(folder)
    times = in_turn(
        splice=partial(seconds_to_write, store.WHOLE), rows=psql.copy_rows, binary=psql.copy_chunks
    )  # fmt: skip
    length = store.bytes_of(store.planned(store.WHOLE))
    yield at_least(
        f"full export of {length / 1e9:.1f} GB, against COPY of a row a resource ({store.compression()})",
        ratio(times, "rows", "splice"), 10, times,
    )  # fmt: skip
    yield at_least("full export, against binary COPY of the chunk table", ratio(times, "binary", "splice"), 0.5)
    yield from _parts(length)
    yield from _growth()
    yield from _memory()


def _parts(length: int) -> Iterator[Figure]:
    """Exports of a part of the store. They are over in a tenth of a second: each run is the mean of several."""
    since = store.since()
    times = in_turn(
        full=partial(_mean, store.WHOLE, 2),
        since=partial(_mean, store.WHOLE, 10, since=since),
        tenth=partial(_mean, store.TENTH, 10),
    )
    share = store.bytes_of(store.planned(store.WHOLE, since=since)) / length
    yield at_most(
        f"_since export of {share:.1%} of the bytes, against the full one", ratio(times, "since", "full"), 0.1, times
    )
    yield at_most("cohort of 10 % of the store, against the full one", ratio(times, "tenth", "full"), 0.13)


def seconds_to_write(entity_id: str, *, since: dt.datetime | None = None) -> float:
    """Plan an export and write its shards; how many seconds the writing took."""
    job = store.planned(entity_id, since=since)
    taken = store.seconds_to_write(job)
    store.forget(job)
    return taken


def _growth() -> Iterator[Figure]:
    """How far the time of 100 MB is from the straight line between those of 10 MB and of 1,000 MB."""
    small, middle, large = store.GROWTH
    # The small ones are over in milliseconds: each run is the mean of several.
    times = in_turn(
        small=partial(_mean, small, 20), middle=partial(_mean, middle, 10), large=partial(_mean, large, 3)
    )  # fmt: skip
    lengths = [store.bytes_of(store.planned(entity_id)) for entity_id in store.GROWTH]
    share = (lengths[1] - lengths[0]) / (lengths[2] - lengths[0])
    off = [
        abs(b / (a + share * (c - a)) - 1)
        for a, b, c in zip(times["small"], times["middle"], times["large"], strict=True)
    ]
    name = "time of {1:.0f} MB, off the line between {0:.0f} and {2:.0f} MB".format(*(each / 1e6 for each in lengths))
    yield at_most(name, statistics.median(off), 0.2, times)


def _mean(entity_id: str, times: int, *, since: dt.datetime | None = None) -> float:
    return statistics.mean(seconds_to_write(entity_id, since=since) for _ in range(times))


def _memory() -> Iterator[Figure]:
    """The peak of a process that writes 50 MB, and of one that writes 1 GB."""
    small, large = (_peak_kib(entity_id) for entity_id in (store.HALF_OF_100_MB, store.A_GIGABYTE))
    yield at_most("peak memory of a writer, 1 GB against 50 MB", large / small, 1.1)
    yield at_most("peak memory of a writer of 1 GB, MB", large / 1024, 200)


def _peak_kib(entity_id: str) -> int:
    script = (
        "import django; django.setup();"
        "from tests.benchmarks import exports; "
        f"exports.write_and_tell_peak({entity_id!r})"
    )
    finished = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=settings.BASE_DIR
    )
    return int(finished.stdout.split()[-1])


def write_and_tell_peak(entity_id: str) -> None:
    """Write an export in this process, and print the most memory that it has had, in KiB."""
    seconds_to_write(entity_id)
    # Not getrusage: its peak begins with what the parent had.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak
    sys.stdout.write(f"{peak[1]}\n")
