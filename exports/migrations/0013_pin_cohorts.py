"""A job pins its cohort: the rule, and the rosters beyond the two that it names already.

The code before this does not know the columns, and plans and writes the jobs of `Group/all` and `Patient` as before.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("exports", "0012_labels_in_plain_words")]

    operations = [
        migrations.AddField(
            model_name="job",
            name="cohort_rule",
            field=models.CharField(db_default="all", help_text="Which rule chose the rosters.", max_length=32),
        ),
        migrations.AddField(
            model_name="job",
            name="more_roster_ids",
            field=ArrayField(
                base_field=models.BigIntegerField(),
                db_default=[],
                help_text="Rosters whose beneficiaries are exported, too.",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="job",
            name="subtracted_roster_ids",
            field=ArrayField(
                base_field=models.BigIntegerField(),
                db_default=[],
                help_text="Rosters whose beneficiaries are left out.",
                size=None,
            ),
        ),
        migrations.AlterField(
            model_name="job",
            name="scope",
            field=models.CharField(choices=[("patient", "Patient"), ("group_all", "Group")], max_length=12),
        ),
    ]
