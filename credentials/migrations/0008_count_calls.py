from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("credentials", "0007_client_keys")]

    operations = [
        migrations.CreateModel(
            name="CallCount",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("key", models.CharField(max_length=100)),
                ("ends_at", models.DateTimeField()),
                ("count", models.PositiveIntegerField()),
            ],
            options={
                "indexes": [models.Index(fields=["ends_at"], name="call_count_ends")],
                "constraints": [models.UniqueConstraint(fields=("key", "ends_at"), name="call_count_once")],
            },
        ),
        # Counts need not outlive a power failure; so they cost no write-ahead log.
        migrations.RunSQL(
            "ALTER TABLE credentials_callcount SET UNLOGGED;", "ALTER TABLE credentials_callcount SET LOGGED;"
        ),
    ]
