from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("credentials", "0020_add_personal_mail")]

    operations = [
        migrations.AddField(
            model_name="organization",
            name="program_changed_at",
            field=models.DateTimeField(
                editable=False,
                help_text="What was exported before follows the rules of another program, or of none.",
                null=True,
            ),
        )
    ]
