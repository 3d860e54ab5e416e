"""From now on no `_since` is written that nobody can read. What is there already is the next migration's matter."""

import datetime as dt

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("exports", "0006_tell_of_deletions")]

    operations = [
        AddConstraintNotValid(
            model_name="job",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("since__gte", dt.datetime(1900, 1, 1, tzinfo=dt.UTC)),
                    ("since__lt", dt.datetime(9999, 1, 1, tzinfo=dt.UTC)),
                ),
                name="job_since_can_be_read",
            ),
        ),
    ]
