from django.db import migrations, models
from django.db.models import Q


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
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=Q(("status", "in_progress")),
                fields=["organization", "bytes_left", "id"],
                name="job_soonest_done",
            ),
        ),
        migrations.AddIndex(
            model_name="job",
            index=models.Index(
                condition=Q(("status", "in_progress")),
                fields=["organization", "created_at", "id"],
                name="job_longest_waiting",
            ),
        ),
        migrations.AddIndex(
            model_name="shard",
            index=models.Index(condition=Q(("status", "waiting")), fields=["job", "number"], name="shard_waiting"),
        ),
        migrations.AddIndex(
            model_name="shard",
            index=models.Index(condition=Q(("status", "writing")), fields=["job"], name="shard_writing"),
        ),
    ]
