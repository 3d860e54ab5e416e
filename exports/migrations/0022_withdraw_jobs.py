"""A job is withdrawn when its roster is rolled back, and the next ones tell whom it delivered by mistake.

For the code of the release before, a withdrawn job has expired. It plans a job without the deletions of mistakes.
"""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("exports", "0021_add_a_population"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="mistaken_roster_ids",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(),
                db_default=[],
                help_text="Rosters that were rolled back after `_since`. Clients are told to delete their beneficiaries.",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="job",
            name="withdrawn_at",
            field=models.DateTimeField(help_text="When its roster was rolled back.", null=True),
        ),
    ]
