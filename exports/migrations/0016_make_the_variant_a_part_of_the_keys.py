"""The indexes of the migration before become the keys. Nothing is read or built, so the locks are held for a moment.

Code of the release before goes on: it names no key, and what it looks up by (version, type, beneficiary) is still the
beginning of each. The way back builds the old keys under a lock, and only if nothing but full resources was stored:
without the variant, every client would get the others, too.
"""

# ruff: noqa: S608  # all of the text is here

from django.db import migrations, models
from django.db.models import Q

PARTS = (
    "exports_chunk_patient",
    "exports_chunk_coverage",
    "exports_chunk_explanation_of_benefit",
    "exports_chunk_other",
)
KEY = "version, resource_type, beneficiary_id, variant, load_id, last_updated"
CURRENT = "version, resource_type, beneficiary_id, variant, last_updated"
DELETION = "version, resource_type, beneficiary_id, variant, load_id, is_replaced"


def _of_each_part(statement: str) -> str:
    return "".join(statement.format(part=part) for part in PARTS)


FORWARD = f"""
    ALTER TABLE exports_chunk DROP CONSTRAINT exports_chunk_pkey;
    {_of_each_part("ALTER TABLE {part} ADD CONSTRAINT {part}_pkey PRIMARY KEY USING INDEX {part}_key;")}
    ALTER TABLE ONLY exports_chunk ADD CONSTRAINT exports_chunk_pkey PRIMARY KEY ({KEY});
    {_of_each_part("ALTER INDEX exports_chunk_pkey ATTACH PARTITION {part}_pkey;")}

    DROP INDEX chunk_current_once;
    CREATE UNIQUE INDEX chunk_current_once ON ONLY exports_chunk ({CURRENT}) WHERE superseded_by_id IS NULL;
    {_of_each_part("ALTER INDEX chunk_current_once ATTACH PARTITION {part}_current;")}

    ALTER TABLE exports_deletion DROP CONSTRAINT deletion_once;
    ALTER TABLE exports_deletion ADD CONSTRAINT deletion_once UNIQUE USING INDEX deletion_once_new;
"""
BACK = f"""
    DO $$ BEGIN
        IF EXISTS (SELECT FROM exports_chunk WHERE variant <> 'full')
            OR EXISTS (SELECT FROM exports_deletion WHERE variant <> 'full') THEN
            RAISE EXCEPTION 'The store has resources of another variant than full. Revert their loads first.';
        END IF;
    END $$;
    ALTER TABLE exports_chunk DROP CONSTRAINT exports_chunk_pkey;
    ALTER TABLE exports_chunk ADD CONSTRAINT exports_chunk_pkey
        PRIMARY KEY (version, resource_type, beneficiary_id, load_id, last_updated);
    DROP INDEX chunk_current_once;
    CREATE UNIQUE INDEX chunk_current_once ON exports_chunk (version, resource_type, beneficiary_id, last_updated)
        WHERE superseded_by_id IS NULL;
    ALTER TABLE exports_deletion DROP CONSTRAINT deletion_once;
    ALTER TABLE exports_deletion ADD CONSTRAINT deletion_once
        UNIQUE (version, resource_type, beneficiary_id, load_id, is_replaced);

    {_of_each_part(f"CREATE UNIQUE INDEX {{part}}_key ON {{part}} ({KEY});")}
    {_of_each_part(f"CREATE UNIQUE INDEX {{part}}_current ON {{part}} ({CURRENT}) WHERE superseded_by_id IS NULL;")}
    CREATE UNIQUE INDEX deletion_once_new ON exports_deletion ({DELETION});
"""


class Migration(migrations.Migration):
    dependencies = [("exports", "0015_index_variants")]

    operations = [
        migrations.RunSQL(
            FORWARD,
            BACK,
            state_operations=[
                migrations.AlterField(
                    model_name="chunk",
                    name="pk",
                    field=models.CompositePrimaryKey(
                        *("version", "resource_type", "beneficiary_id", "variant", "load_id", "last_updated"),
                        blank=True,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                migrations.RemoveConstraint(model_name="chunk", name="chunk_current_once"),
                migrations.AddConstraint(
                    model_name="chunk",
                    constraint=models.UniqueConstraint(
                        fields=["version", "resource_type", "beneficiary", "variant", "last_updated"],
                        condition=Q(superseded_by=None),
                        name="chunk_current_once",
                    ),
                ),
                migrations.RemoveConstraint(model_name="deletion", name="deletion_once"),
                migrations.AddConstraint(
                    model_name="deletion",
                    constraint=models.UniqueConstraint(
                        fields=["version", "resource_type", "beneficiary", "variant", "load", "is_replaced"],
                        name="deletion_once",
                    ),
                ),
            ],
        )
    ]
