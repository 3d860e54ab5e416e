"""The indexes by which the next file is chosen. They are built while exports go on, so not in a transaction."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("exports", "0010_reckon_bytes_left")]

    operations = [
        AddIndexConcurrently(
            model_name="job",
            index=models.Index(
                condition=Q(("status", "in_progress")),
                fields=["organization", "bytes_left", "id"],
                name="job_soonest_done",
            ),
        ),
        AddIndexConcurrently(
            model_name="job",
            index=models.Index(
                condition=Q(("status", "in_progress")),
                fields=["organization", "created_at", "id"],
                name="job_longest_waiting",
            ),
        ),
        AddIndexConcurrently(
            model_name="shard",
            index=models.Index(condition=Q(("status", "waiting")), fields=["job", "number"], name="shard_waiting"),
        ),
        AddIndexConcurrently(
            model_name="shard",
            index=models.Index(condition=Q(("status", "writing")), fields=["job"], name="shard_writing"),
        ),
    ]
