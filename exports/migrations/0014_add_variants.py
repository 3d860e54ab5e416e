"""How much of each resource a chunk has. Code of the release before writes rows without it: they are full."""

from django.db import migrations, models


def _version() -> models.PositiveSmallIntegerField:
    return models.PositiveSmallIntegerField(help_text="The API version.")


class Migration(migrations.Migration):
    dependencies = [("exports", "0013_pin_cohorts")]

    operations = [
        migrations.AddField(
            model_name="chunk",
            name="variant",
            field=models.CharField(db_default="full", help_text="How much of each resource it has.", max_length=16),
        ),
        migrations.AddField(
            model_name="deletion",
            name="variant",
            field=models.CharField(db_default="full", help_text="How much of each resource it had.", max_length=16),
        ),
        migrations.AlterField(model_name="chunk", name="version", field=_version()),
        migrations.AlterField(model_name="deletion", name="version", field=_version()),
    ]
