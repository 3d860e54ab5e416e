import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("credentials", "0004_put_live_secrets_into_slots")]

    operations = [
        migrations.AddField(
            model_name="auditevent",
            name="outcome",
            field=models.CharField(choices=[("done", "Done"), ("denied", "Denied")], default="done", max_length=8),
        ),
        migrations.AddField(
            model_name="client",
            name="failed_attempts",
            field=models.PositiveIntegerField(
                default=0, editable=False, help_text="How many calls with this client's id or token were refused, ever."
            ),
        ),
        migrations.AddField(
            model_name="client", name="last_failed_at", field=models.DateTimeField(editable=False, null=True)
        ),
        migrations.AddField(
            model_name="client",
            name="last_failed_address",
            field=models.GenericIPAddressField(editable=False, null=True, unpack_ipv4=True),
        ),
        migrations.CreateModel(
            name="RefusedCalls",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("action", models.CharField(max_length=48)),
                ("reason", models.CharField(max_length=48)),
                ("address", models.GenericIPAddressField(null=True, unpack_ipv4=True)),
                ("minute", models.DateTimeField()),
                ("count", models.PositiveIntegerField(default=1)),
                (
                    "client",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="credentials.client",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "refused calls",
                "indexes": [models.Index(fields=["minute"], name="refused_calls_of_minute")],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("client", "action", "reason", "address", "minute"),
                        name="refused_calls_once",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
    ]
