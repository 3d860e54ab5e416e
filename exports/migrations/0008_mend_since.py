"""An export with a `_since` before 1900 becomes one since 1900: nothing was changed before, so it holds the same."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations

MEND = """
UPDATE exports_job SET since = '1900-01-01 00:00:00+00' WHERE since < '1900-01-01 00:00:00+00';
UPDATE exports_shard SET since = '1900-01-01 00:00:00+00' WHERE since < '1900-01-01 00:00:00+00';
"""


class Migration(migrations.Migration):
    dependencies = [("exports", "0007_bound_since")]

    operations = [
        migrations.RunSQL(MEND, migrations.RunSQL.noop),
        ValidateConstraint(model_name="job", name="job_since_can_be_read"),
    ]
