"""A roster can be previewed, discarded and rolled back.

The code of the release before writes "published" and "refused" as always, and takes every other roster for a refused one:
its exports use published ones only. The table has one row for each file: what is rebuilt or checked here takes
milliseconds.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("attribution", "0005_add_preferences"),
        ("credentials", "0019_fill_program_code"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="rosterfile",
            name="roster_published_has_time",
        ),
        migrations.AddField(
            model_name="rosterfile",
            name="approval_asked_at",
            field=models.DateTimeField(help_text="When a second approval was asked for.", null=True),
        ),
        migrations.AddField(
            model_name="rosterfile",
            name="approval_asked_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="rosterfile",
            name="discarded_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="rosterfile",
            name="discarded_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="rosterfile",
            name="published_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="rosterfile",
            name="rollback_reason",
            field=models.CharField(blank=True, db_default="", max_length=500),
        ),
        migrations.AddField(
            model_name="rosterfile",
            name="rolled_back_at",
            field=models.DateTimeField(null=True),
        ),
        migrations.AddField(
            model_name="rosterfile",
            name="rolled_back_by",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="rosterfile",
            name="swing_reason",
            field=models.CharField(
                blank=True, db_default="", help_text="Why so many beneficiaries joined or left.", max_length=500
            ),
        ),
        migrations.AlterField(
            model_name="rosterfile",
            name="status",
            field=models.CharField(
                choices=[
                    ("discarded", "Discarded"),
                    ("previewed", "Previewed"),
                    ("published", "Published"),
                    ("refused", "Refused"),
                    ("rolledback", "Rolled back"),
                ],
                max_length=10,
            ),
        ),
        migrations.AddConstraint(
            model_name="rosterfile",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status__in", ["published", "rolledback"]), _negated=True),
                    ("published_at__isnull", False),
                    _connector="OR",
                ),
                name="roster_in_force_has_time",
            ),
        ),
        migrations.AddConstraint(
            model_name="rosterfile",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("status", "rolledback"), _negated=True),
                    ("rolled_back_at__isnull", False),
                    _connector="OR",
                ),
                name="roster_rolled_back_has_time",
            ),
        ),
    ]
