"""The loader against psql's own way in."""

import datetime as dt
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from django.db import connection, transaction

from attribution import synthetic
from exports.claims.loader import Arrival, loading
from exports.intake.generator import beneficiary_record
from exports.intake.sandbox import arrivals
from tests.benchmarks import store
from tests.benchmarks.measuring import Figure, at_least, in_turn, ratio
from tests.benchmarks.psql import Psql

# Enough for the figure, and few enough for five rounds of it.
PEOPLE = 200


def figures(folder: Path) -> Iterator[Figure]:
    """Rendered lines into the store, against the same lines into a table with a row each."""
    store.prepare()
    psql = Psql(folder)
    now = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    rendered = []
    for person in synthetic.people(store.SEED, PEOPLE):
        record = beneficiary_record(person, seed=store.SEED, start_date=store.START, end_date=store.END)
        rendered.append((person.mbi, list(arrivals(record, version=2, last_updated=now))))
    source = folder / "loaded.ndjson"
    source.write_bytes(b"".join(arrival.line for _, of_person in rendered for arrival in of_person))
    _warm_up()
    times = in_turn(loader=partial(_load_and_undo, rendered), psql=partial(psql.load_rows, source))
    source.unlink()
    yield at_least("loader, against \\copy of the same lines", ratio(times, "psql", "loader"), 0.5, times)


def _warm_up() -> None:
    """Have the chunk table in memory: a load ends with ANALYZE, which reads pages from all over it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(raw_length) FROM exports_chunk")


def _load_and_undo(rendered: list[tuple[str, list[Arrival]]]) -> None:
    """A whole load under a version that nothing else uses; it is rolled back, since the next round loads it again."""
    with transaction.atomic():
        with loading("bench") as under_way:
            for mbi, of_person in rendered:
                under_way.add(mbi, of_person, version=99)
        transaction.set_rollback(True)
