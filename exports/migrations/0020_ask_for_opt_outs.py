"""A job stores whether it honors opt-outs and who returned; a file, when consent was asked for. See decision 28."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("exports", "0019_find_free_shards"),
    ]

    operations = [
        migrations.AddField(
            model_name="job",
            name="honors_opt_outs",
            field=models.BooleanField(db_default=True, help_text="Beneficiaries who opted out are left out."),
        ),
        migrations.AddField(
            model_name="job",
            name="opt_outs_as_of",
            field=models.DateField(help_text="Later opt-outs don't apply.", null=True),
        ),
        migrations.AddField(
            model_name="job",
            name="returned_beneficiary_ids",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.BigIntegerField(),
                db_default=[],
                help_text="Those who come with it, too, since they no longer opt out.",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="shard",
            name="asked_change_id",
            field=models.BigIntegerField(
                help_text="The newest change of preferences that the writing of its file knew.", null=True
            ),
        ),
        migrations.AddField(
            model_name="shard",
            name="asked_on",
            field=models.DateField(help_text="The day on which its file was written.", null=True),
        ),
    ]
