"""The store that the export benchmarks measure: made once, and kept in var/bench."""

import datetime as dt
from functools import partial
from io import BytesIO
from unittest import mock

from django.db import connection, transaction
from django.db.models import F

from attribution import synthetic
from attribution.loading import load_roster
from attribution.models import RosterFile
from credentials.actor import Actor
from credentials.models import Organization
from credentials.programs import SSP
from exports import kickoff, storage, tasks
from exports.claims import splice
from exports.claims.models import Chunk
from exports.intake.parallel import processes
from exports.intake.sandbox import load_synthetic_claims
from exports.models import Job, Load, OutputFile, Shard
from exports.pipeline import plan
from tests.benchmarks.measuring import seconds
from tests.exports.turn import take_and_write

SEED = 3
# People whose claims are made; each one's chunks stand in the store under COPIES beneficiaries. An export does not
# look into them, and 4 GB of NDJSON take minutes to make instead of half an hour.
MADE, COPIES = 2_000, 4
PEOPLE = MADE * COPIES
START, CUT, END = dt.date(2023, 11, 1), dt.date(2026, 10, 1), dt.date(2026, 11, 1)
TIMESTAMP = dt.datetime(2026, 11, 1, 4, 30, tzinfo=dt.UTC)
# The last load brings nearly all claims of one beneficiary in so many, for `_since` to find.
LAST, ONE_IN = "bench, one in twenty", 20
TYPES = ("Patient", "Coverage", "ExplanationOfBenefit")

WHOLE, TENTH, FIFTY, HALF_OF_100_MB, A_GIGABYTE = "A8001", "A8002", "A8003", "A8004", "A8012"
A_MEGABYTE, ANOTHER = "A8013", "A8014"
GROWTH = {"A8010": 19, "A8011": 187, A_GIGABYTE: 1_870}  # about 10, 100 and 1,000 MB
# Organization -> how many of the people are its own, spread over the store as an organization's people are.
ORGANIZATIONS = {
    WHOLE: PEOPLE,
    TENTH: PEOPLE // 10,
    FIFTY: 50,
    HALF_OF_100_MB: 94,
    A_MEGABYTE: 2,
    ANOTHER: 2,
    **GROWTH,
}


def prepare() -> None:
    """Rosters and claims in two loads, a month's at the end; the same resources a row each."""
    people = list(synthetic.people(SEED, PEOPLE))
    for entity_id, count in ORGANIZATIONS.items():
        _organization(entity_id, people[:: PEOPLE // count][:count])
    if Load.objects.filter(source=LAST).exists():
        return
    with processes(2) as in_order:
        for start, end in ((START, CUT), (CUT, END)):
            load_synthetic_claims(
                people[:MADE], seed=SEED, start_date=start, end_date=end, source=f"bench {start}", in_order=in_order
            )
    with transaction.atomic():
        _make_rows()
        _multiply()
        _let_some_come_last()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def organization(entity_id: str) -> Organization:
    return Organization.objects.get(entity_id=entity_id)


def since() -> dt.datetime:
    """The moment that has the last load, and nothing else, after it."""
    return Load.objects.get(source=LAST).loaded_at - dt.timedelta(microseconds=1)


@transaction.atomic  # a worker that is running sees it planned, or not at all
def planned(
    entity_id: str, *, since: dt.datetime | None = None, types: tuple[str, ...] = TYPES, **bounds: dt.date
) -> Job:
    """A job whose shards are to be written; `bounds` are those of the claims' service dates. No worker is called."""
    with mock.patch.object(tasks, "call_planner"):
        job = kickoff.kick_off(
            organization=organization(entity_id),
            version=2,
            scope=Job.Scope.PATIENT,
            resource_types=types,
            since=since,
            request_url="bench",
            by=Actor(),
        )
    Job.objects.filter(pk=job.pk).update(**bounds)
    plan.plan(job.pk)
    job.refresh_from_db()
    return job


def bytes_of(job: Job) -> int:
    """The NDJSON that a planned job, which is forgotten, would go through."""
    length = sum(job.shards.values_list("raw_length", flat=True))
    forget(job)
    return length


def seconds_to_write(job: Job) -> float:
    """Write the shards of a job, one after the other."""
    shards = list(job.shards.values_list("pk", flat=True))
    return sum(seconds(partial(take_and_write, shard_id)) for shard_id in shards)


def forget(job: Job) -> None:
    storage.remove_all(job.pk)
    OutputFile.objects.filter(job=job).delete()
    Shard.objects.filter(job=job).delete()
    Job.objects.filter(pk=job.pk).delete()


def _organization(entity_id: str, people: list[synthetic.SyntheticPerson]) -> None:
    made, _ = Organization.objects.get_or_create(
        entity_id=entity_id,
        defaults={"name": f"Bench {len(people)}", "is_sandbox": True, **Organization.columns_of(SSP)},
    )
    # A run before may have been stopped between the two.
    if not RosterFile.objects.for_organization(made).published().exists():
        kind = RosterFile.Kind.CURRENT
        archive = synthetic.cclf_archive(
            people, entity_id=entity_id, performance_year=2026, timestamp=TIMESTAMP, kind=kind
        )
        name = synthetic.cclf_archive_name(entity_id, 2026, TIMESTAMP, kind)
        roster = load_roster(BytesIO(archive), file_name=name, organization=made, by=Actor())
        assert roster.status == RosterFile.Status.PUBLISHED, roster.problems


def _multiply() -> None:
    """Give each beneficiary's chunks to the next ones without any, too."""
    columns = [field.column for field in Chunk._meta.local_fields if field.concrete and field.column]
    others = ", ".join(column for column in columns if column != "beneficiary_id")
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH numbered AS (
                SELECT beneficiary_id, row_number() OVER (ORDER BY beneficiary_id) - 1 AS number
                FROM attribution_rosterentry entry JOIN attribution_rosterfile roster ON roster.id = entry.roster_id
                JOIN credentials_organization organization ON organization.id = roster.organization_id
                WHERE organization.entity_id = %s
            ), has AS (SELECT DISTINCT beneficiary_id FROM exports_chunk),
            rich AS (SELECT beneficiary_id, row_number() OVER (ORDER BY beneficiary_id) - 1 AS number FROM has),
            poor AS (
                SELECT beneficiary_id, row_number() OVER (ORDER BY beneficiary_id) - 1 AS number
                FROM numbered WHERE beneficiary_id NOT IN (SELECT beneficiary_id FROM has)
            )
            INSERT INTO exports_chunk (beneficiary_id, {others})
            SELECT poor.beneficiary_id, {others}
            FROM exports_chunk chunk JOIN rich USING (beneficiary_id)
            JOIN poor ON poor.number %% %s = rich.number
            ORDER BY chunk.load_id, poor.beneficiary_id
            """,
            [WHOLE, MADE],
        )


def _let_some_come_last() -> None:
    """As if the claims of some had come with a third load."""
    last = Load.objects.latest("id")
    load = Load.objects.create(source=LAST, loaded_at=last.loaded_at + dt.timedelta(seconds=1))
    theirs = Chunk.objects.annotate(place=F("beneficiary_id") % ONE_IN).filter(place=0, superseded_by=None)
    first = theirs.filter(resource_type="ExplanationOfBenefit").exclude(load=last)
    for chunks in (first, theirs.exclude(resource_type="ExplanationOfBenefit")):
        chunks.update(load=load, first_updated=load.loaded_at, last_updated=load.loaded_at)


def _make_rows() -> None:
    """The resources of the store, a row each, compressed by PostgreSQL: with lz4 where its build has that."""
    # All of them first: a COPY leaves no room on its connection for another query.
    chunks = list(Chunk.objects.filter(superseded_by=None).order_by("beneficiary_id"))
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS bench_row")
        cursor.execute("CREATE TABLE bench_row (beneficiary_id bigint, resource_type text, body text)")
        cursor.execute(f"ALTER TABLE bench_row ALTER COLUMN body SET COMPRESSION {compression()}")
        with cursor.copy("COPY bench_row FROM STDIN") as copy:
            for chunk in chunks:
                for line in splice.inflate(chunk.body).splitlines():
                    copy.write_row((chunk.beneficiary_id, chunk.resource_type, line.decode()))
        # `body || ''` makes PostgreSQL compress each copy anew.
        cursor.execute(
            "INSERT INTO bench_row SELECT beneficiary_id + copy * %s, resource_type, body || '' "
            "FROM bench_row, generate_series(1, %s) copy",
            [10 * PEOPLE, COPIES - 1],
        )


def compression() -> str:
    """How this PostgreSQL compresses rows best."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT enumvals FROM pg_settings WHERE name = 'default_toast_compression'")
        return "lz4" if "lz4" in cursor.fetchone()[0] else "pglz"
