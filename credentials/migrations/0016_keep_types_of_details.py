from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("credentials", "0015_invite_people")]

    operations = [
        migrations.AddField(
            model_name="auditevent",
            name="types",
            field=models.JSONField(
                db_default=models.Value({}, models.JSONField()),
                default=dict,
                help_text="What of the detail is no plain text, by its place (a JSON Pointer). See credentials/trail/audit.py.",
            ),
        ),
    ]
