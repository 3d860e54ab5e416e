"""An organization names its program by the code of credentials/programs.py, in a column of its own.

The column `program` stays as it is for code of the release before. The models call it `code_before`.
"""

from django.db import migrations, models

import credentials.programs


class Migration(migrations.Migration):
    dependencies = [("credentials", "0017_labels_in_plain_words")]

    operations = [
        migrations.AddField(
            model_name="organization",
            name="program_code",
            field=models.CharField(
                blank=True,
                choices=credentials.programs.choices,
                db_default="",
                default="",
                help_text="Decides what the organization can get. Without a program, it gets no data.",
                max_length=16,
                verbose_name="program",
            ),
        ),
        # None of these says anything to the database.
        migrations.AlterField(
            model_name="organization",
            name="program",
            field=models.CharField(db_column="program", default="", editable=False, max_length=8),
        ),
        migrations.RenameField(model_name="organization", old_name="program", new_name="code_before"),
        migrations.AlterField(
            model_name="organization",
            name="entity_id",
            field=models.CharField(
                help_text="The ID that CMS assigned to the entity, for example A9994. It must be one of its program’s.",
                max_length=12,
                unique=True,
            ),
        ),
    ]
