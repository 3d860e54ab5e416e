"""A job says which source it has. Shards can be of unknown size, and keep what their source could not get.

The code before this plans and writes jobs of the claims store as before. It takes only shards that are "waiting"; those
that it can't write are "queued".
"""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("exports", "0017_hold_several_versions_in_a_load")]

    operations = [
        migrations.AddField(
            model_name="job",
            name="source",
            field=models.CharField(db_default="store", help_text="Where its resources come from.", max_length=32),
        ),
        migrations.AddField(
            model_name="shard",
            name="is_sized",
            field=models.BooleanField(
                db_default=True, help_text="The source knew beforehand how much it is. Exactly that must come."
            ),
        ),
        migrations.AlterField(
            model_name="shard",
            name="file_name",
            field=models.CharField(help_text="Of the last attempt: each has its own.", max_length=64, unique=True),
        ),
        migrations.AlterField(
            model_name="shard",
            name="kind",
            field=models.CharField(
                choices=[("output", "Resources"), ("deleted", "Deletions"), ("error", "Errors")],
                default="output",
                help_text="Which list of the manifest its file is in.",
                max_length=7,
            ),
        ),
        migrations.AlterField(
            model_name="shard",
            name="raw_length",
            field=models.PositiveBigIntegerField(
                help_text="Bytes of NDJSON to read. With filters, the file can be smaller. An estimate unless it is sized."
            ),
        ),
        migrations.AlterField(
            model_name="shard",
            name="status",
            field=models.CharField(
                choices=[
                    ("waiting", "Waiting"),
                    ("queued", "Waiting"),
                    ("writing", "Writing"),
                    ("written", "Written"),
                ],
                default="waiting",
                max_length=8,
            ),
        ),
        migrations.CreateModel(
            name="ShardOutcomes",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("resource_count", models.PositiveBigIntegerField()),
                ("raw_length", models.PositiveBigIntegerField(help_text="Bytes of NDJSON.")),
                ("crc32", models.BigIntegerField()),
                ("body", models.BinaryField()),
                (
                    "shard",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE, related_name="outcomes", to="exports.shard"
                    ),
                ),
            ],
            options={"verbose_name_plural": "shard outcomes"},
        ),
    ]
