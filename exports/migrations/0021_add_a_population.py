"""A part of a cohort for the deletions of those who returned. Only code that knows it takes such files."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("exports", "0020_ask_for_opt_outs")]

    operations = [
        migrations.AlterField(
            model_name="shard",
            name="population",
            field=models.CharField(
                choices=[
                    ("everyone", "Everyone"),
                    ("existing", "On the earlier roster too"),
                    ("newly_attributed", "Newly attributed"),
                    ("returned", "No longer opted out"),
                ],
                max_length=16,
            ),
        ),
    ]
