"""A roster that was not refused can have warnings. The code before this doesn't know the column, and has none."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("attribution", "0003_names_that_say_nothing")]

    operations = [
        migrations.AddField(
            model_name="rosterfile",
            name="warnings",
            field=models.JSONField(
                db_default=[],
                default=list,
                help_text="What is unusual, although it was not refused: file, line, column, reason.",
            ),
        ),
    ]
