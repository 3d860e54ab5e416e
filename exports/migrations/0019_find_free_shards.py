"""The index by which the next file is chosen. It is built while exports go on, so not in a transaction.

The code before uses `shard_waiting`, which a later release drops.
"""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("exports", "0018_sources")]

    operations = [
        AddIndexConcurrently(
            model_name="shard",
            index=models.Index(
                condition=Q(("status__in", ["waiting", "queued"])), fields=["job", "number"], name="shard_free"
            ),
        ),
    ]
