"""The unique indexes of the keys with a variant, built while exports and loads go on: PostgreSQL can't build an index of
a partitioned table that way, but it can for each of its parts. The next migration makes them the keys.

If it was interrupted, it can be run again.
"""

from collections.abc import Iterator

from django.db import migrations

PARTS = (
    "exports_chunk_patient",
    "exports_chunk_coverage",
    "exports_chunk_explanation_of_benefit",
    "exports_chunk_other",
)
KEY = "version, resource_type, beneficiary_id, variant, load_id, last_updated"
CURRENT = "version, resource_type, beneficiary_id, variant, last_updated"
DELETION = "version, resource_type, beneficiary_id, variant, load_id, is_replaced"


def indexes() -> Iterator[tuple[str, str]]:
    """Return the name of each index, and what it is on."""
    for part in PARTS:
        yield f"{part}_key", f"{part} ({KEY})"
        yield f"{part}_current", f"{part} ({CURRENT}) WHERE superseded_by_id IS NULL"
    yield "deletion_once_new", f"exports_deletion ({DELETION})"


def build() -> Iterator[migrations.RunSQL]:
    for name, on in indexes():
        remove = f"DROP INDEX CONCURRENTLY IF EXISTS {name}"
        yield migrations.RunSQL(remove, migrations.RunSQL.noop)  # what an interrupted run has left
        yield migrations.RunSQL(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {on}", remove)


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("exports", "0014_add_variants")]

    operations = [
        *build(),
        # Without statistics of the new column, PostgreSQL takes it for one that chooses few rows, and plans for few.
        migrations.RunSQL("ANALYZE exports_chunk", migrations.RunSQL.noop),
    ]
