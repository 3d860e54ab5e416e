from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("exports", "0008_mend_since")]

    operations = [
        migrations.AddField(
            model_name="job",
            name="bytes_left",
            field=models.PositiveBigIntegerField(
                db_default=0,
                help_text="Bytes of NDJSON to go through that are not in a file yet: which job is soonest done.",
            ),
        ),
        migrations.AddField(
            model_name="shard",
            name="retry_at",
            field=models.DateTimeField(help_text="It failed, and nobody takes it before then.", null=True),
        ),
        migrations.AlterField(
            model_name="shard",
            name="sent_at",
            field=models.DateTimeField(help_text="Not used any more: nobody is told of a shard.", null=True),
        ),
    ]
