"""A load can have several API versions. The column with the one version stays for the release before.

Code of the release before writes that column and not the new one. Where a load has several, the column is NULL: the
release before can't revert such a load, and its attempt fails before it changes anything.
"""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("exports", "0016_make_the_variant_a_part_of_the_keys")]

    operations = [
        migrations.AddField(
            model_name="load",
            name="versions",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.PositiveSmallIntegerField(),
                db_default=[],
                help_text="The API versions of its resources.",
                size=None,
            ),
        ),
        migrations.AlterField(
            model_name="load",
            name="version",
            field=models.PositiveSmallIntegerField(help_text="No longer used.", null=True),
        ),
    ]
