"""How much of the chunk table a small organization's export reads, at the size of a nation's program."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

from django.db import connection, transaction

from attribution import cohorts
from attribution.models import RosterFile
from credentials.models import Organization
from credentials.programs import SSP
from exports.claims.models import Load
from exports.sources import Selection
from exports.sources.store import _chosen
from tests.benchmarks.measuring import Figure, at_most

BENEFICIARIES = 500_000
LOADS = 2
BODY_BYTES = 1_400  # about a month's claims of a beneficiary, deflated
# A version that nothing else uses.
VERSION = 98
TIMESTAMP = dt.datetime(2026, 11, 1, 4, 30, tzinfo=dt.UTC)
# Organization -> which of the beneficiaries, counted from 0, are its own.
WHOLE, NEIGHBOURS, SPREAD = "A8101", "A8102", "A8103"
WHOSE = {WHOLE: "TRUE", NEIGHBOURS: "number BETWEEN 200000 AND 204999", SPREAD: "mod(number, 100) = 50"}


def figures(_folder: Path) -> Iterator[Figure]:
    if not RosterFile.objects.filter(organization__entity_id=SPREAD).exists():
        with transaction.atomic():
            _prepare()
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    whole = _pages(WHOLE)
    of = f"pages that an export of 1 % of {BENEFICIARIES:,} beneficiaries reads"
    yield at_most(f"{of}, whose ids follow each other, against all", _pages(NEIGHBOURS) / whole, 0.015)
    # Several chunks share a page, and here only one of them is wanted.
    yield at_most(f"{of}, spread evenly over the table, against all", _pages(SPREAD) / whole, 0.06)


def _pages(entity_id: str) -> int:
    """The pages of the chunk table that an export has to read. Raises AssertionError when it would read others, too."""
    selection = Selection(
        version=VERSION,
        resource_type="ExplanationOfBenefit",
        as_of_load_id=Load.objects.latest("id").pk,
        cohort=cohorts.on_roster(RosterFile.objects.get(organization__entity_id=entity_id)),
    )
    chosen, values = _chosen(selection)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN SELECT chunk.body {chosen} ORDER BY chunk.beneficiary_id, chunk.last_updated", values)
        plan = "\n".join(line for (line,) in cursor.fetchall())
        assert entity_id == WHOLE or "Seq Scan on exports_chunk" not in plan, plan
        # Where a row is: the page's number and the row's place in it.
        cursor.execute(f"SELECT count(DISTINCT (chunk.ctid::text::point)[0]) {chosen}", values)
        return int(cursor.fetchone()[0])


def _prepare() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO attribution_beneficiary (created_at) SELECT now() FROM generate_series(1, %s) RETURNING id",
            [BENEFICIARIES],
        )
        first = cursor.fetchone()[0]
        for number in range(LOADS):
            load = Load.objects.create(source=f"bench {number}", versions=[VERSION])
            cursor.execute(
                """
                INSERT INTO exports_chunk (
                    version, resource_type, beneficiary_id, load_id, first_updated, last_updated,
                    resource_count, raw_length, crc32, body
                )
                SELECT %s, 'ExplanationOfBenefit', id, %s, %s, %s, 1, 12000, 0, repeat('x', %s)::bytea
                FROM generate_series(%s, %s) id
                """,
                [VERSION, load.pk, load.loaded_at, load.loaded_at, BODY_BYTES, first, first + BENEFICIARIES - 1],
            )
        for entity_id, whose in WHOSE.items():
            organization = Organization.objects.create(
                entity_id=entity_id, name=entity_id, is_sandbox=True, **Organization.columns_of(SSP)
            )
            roster = RosterFile.objects.create(
                organization=organization,
                kind=RosterFile.Kind.CURRENT,
                status=RosterFile.Status.PUBLISHED,
                file_name=entity_id,
                sha256="0" * 64,
                performance_year=2026,
                file_timestamp=TIMESTAMP,
                published_at=TIMESTAMP,
            )
            cursor.execute(
                f"""
                INSERT INTO attribution_rosterentry (roster_id, beneficiary_id)
                SELECT %s, %s + number FROM generate_series(0, %s) number WHERE {whose}
                """,
                [roster.pk, first, BENEFICIARIES - 1],
            )
