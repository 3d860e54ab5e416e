"""What differs for an organization from its program. The release before doesn't know it."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("credentials", "0021_remember_program_changes")]

    operations = [
        migrations.AddField(
            model_name="organization",
            name="api_versions",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.PositiveSmallIntegerField(),
                blank=True,
                help_text="Only these versions, by number, separated by commas. Leave empty for those of the program.",
                null=True,
                size=None,
                verbose_name="API versions",
            ),
        ),
        migrations.AddField(
            model_name="organization",
            name="claims_from_date",
            field=models.DateField(
                blank=True,
                help_text="The earliest service date of its claims. Leave empty for the look-back of the program. "
                "GUIDE: 2021-07-01 for an established program.",
                null=True,
                verbose_name="claims from",
            ),
        ),
        migrations.AddField(
            model_name="organization",
            name="has_partially_adjudicated",
            field=models.BooleanField(
                blank=True,
                help_text="Whether it gets Claim and ClaimResponse. “Unknown” is what the program says.",
                null=True,
                verbose_name="partially adjudicated claims",
            ),
        ),
    ]
