"""Rosters whose names say nothing come under the same name every month. The time of the file makes the difference.

The indexes are built and dropped while rosters are loaded, so not in a transaction. The code of the release before gives
every file its time, and a name that has the time in it: the new index keeps from it what the old one kept.
"""

import django.utils.timezone
from django.db import migrations, models
from django.db.models import Q

NEW = models.UniqueConstraint(
    fields=["organization", "file_name", "file_timestamp"],
    condition=Q(("status", "published")),
    name="roster_file_published_once",
)
_CREATE = "CREATE UNIQUE INDEX CONCURRENTLY {name} ON attribution_rosterfile ({columns}) WHERE status = 'published'"
CREATE_OLD = _CREATE.format(name="roster_published_once", columns="organization_id, file_name")
CREATE_NEW = _CREATE.format(name="roster_file_published_once", columns="organization_id, file_name, file_timestamp")
# First, too: what was interrupted leaves an index that is not valid.
DROP_OLD = "DROP INDEX CONCURRENTLY IF EXISTS roster_published_once"
DROP_NEW = "DROP INDEX CONCURRENTLY IF EXISTS roster_file_published_once"


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("attribution", "0002_labels_in_plain_words")]

    operations = [
        migrations.AlterField(
            model_name="rosterfile",
            name="file_timestamp",
            field=models.DateTimeField(
                help_text="When CMS created the file, if the file says so. If not, when it was received."
            ),
        ),
        migrations.AlterField(
            model_name="rosterfile",
            name="received_at",
            field=models.DateTimeField(default=django.utils.timezone.now, editable=False),
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.AddConstraint(model_name="rosterfile", constraint=NEW)],
            database_operations=[migrations.RunSQL([DROP_NEW, CREATE_NEW], DROP_NEW)],
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.RemoveConstraint(model_name="rosterfile", name="roster_published_once")],
            database_operations=[migrations.RunSQL(DROP_OLD, [DROP_OLD, CREATE_OLD])],
        ),
    ]
