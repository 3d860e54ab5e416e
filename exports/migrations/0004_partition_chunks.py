"""The chunk table, cut by resource type: an export reads one type at a time, and each part has statistics, vacuum and
index pages of its own. Types that have no part of their own share the last one.
"""

# ruff: noqa: S608  # all of the text is here

from django.db import migrations

COLUMNS = (
    "version, resource_type, beneficiary_id, load_id, superseded_by_id, first_updated, last_updated, "
    "first_service_date, last_service_date, resource_count, raw_length, crc32, segments, body"
)
PARTS = {
    "exports_chunk_patient": "FOR VALUES IN ('Patient')",
    "exports_chunk_coverage": "FOR VALUES IN ('Coverage')",
    "exports_chunk_explanation_of_benefit": "FOR VALUES IN ('ExplanationOfBenefit')",
    "exports_chunk_other": "DEFAULT",
}
# Rows come in bulk and are marked in bulk once a month: a part of 1 % is worth looking after.
CARE = """(
    autovacuum_vacuum_scale_factor = 0.01, autovacuum_analyze_scale_factor = 0.01,
    autovacuum_vacuum_insert_scale_factor = 0.05,
    toast.autovacuum_vacuum_scale_factor = 0.01, toast.autovacuum_vacuum_insert_scale_factor = 0.05
)"""

BEFORE = """
    SET CONSTRAINTS ALL IMMEDIATE;
    ALTER TABLE exports_chunk RENAME TO exports_chunk_before;
    ALTER TABLE exports_chunk_before DROP CONSTRAINT exports_chunk_pkey;
    DROP INDEX chunk_current_once;
"""
AFTER = f"""
    INSERT INTO exports_chunk ({COLUMNS}) SELECT {COLUMNS} FROM exports_chunk_before
        ORDER BY version, resource_type, beneficiary_id;
    DROP TABLE exports_chunk_before;
    ALTER TABLE exports_chunk ADD CONSTRAINT exports_chunk_pkey
        PRIMARY KEY (version, resource_type, beneficiary_id, load_id, last_updated);
    CREATE UNIQUE INDEX chunk_current_once ON exports_chunk (version, resource_type, beneficiary_id, last_updated)
        WHERE superseded_by_id IS NULL;
    CREATE INDEX chunk_of_load ON exports_chunk (load_id);
    CREATE INDEX chunk_superseded_by ON exports_chunk (superseded_by_id) WHERE superseded_by_id IS NOT NULL;
    ALTER TABLE exports_chunk
        ADD CONSTRAINT chunk_beneficiary FOREIGN KEY (beneficiary_id) REFERENCES attribution_beneficiary
            DEFERRABLE INITIALLY DEFERRED,
        ADD CONSTRAINT chunk_load FOREIGN KEY (load_id) REFERENCES exports_load DEFERRABLE INITIALLY DEFERRED,
        ADD CONSTRAINT chunk_superseded FOREIGN KEY (superseded_by_id) REFERENCES exports_load
            DEFERRABLE INITIALLY DEFERRED,
        ADD CHECK (version >= 0), ADD CHECK (resource_count >= 0), ADD CHECK (raw_length >= 0);
"""


def part(name: str, values: str) -> str:
    return f"""
        CREATE TABLE {name} PARTITION OF exports_chunk {values} WITH {CARE};
        ALTER TABLE {name} ALTER COLUMN body SET STORAGE EXTERNAL;
    """


PARTITION = f"""
    {BEFORE}
    CREATE TABLE exports_chunk (LIKE exports_chunk_before INCLUDING STORAGE) PARTITION BY LIST (resource_type);
    {"".join(part(name, values) for name, values in PARTS.items())}
    {AFTER}
"""
REUNITE = f"""
    {BEFORE}
    CREATE TABLE exports_chunk (LIKE exports_chunk_before INCLUDING STORAGE);
    {AFTER}
"""


class Migration(migrations.Migration):
    dependencies = [("exports", "0003_remember_patients")]

    operations = [migrations.RunSQL(PARTITION, REUNITE)]
