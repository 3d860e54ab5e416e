"""The ledger of preferences about data sharing. The release before doesn't know it, and exports as if it were empty."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("attribution", "0004_add_warnings"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="PreferenceChange",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[("file", "File"), ("entry", "Entry"), ("revert", "Revert")], max_length=6
                    ),
                ),
                ("status", models.CharField(choices=[("accepted", "Accepted"), ("refused", "Refused")], max_length=8)),
                ("file_name", models.CharField(blank=True, max_length=255)),
                ("sha256", models.CharField(blank=True, max_length=64, verbose_name="SHA-256")),
                ("recorded_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("opt_out_count", models.PositiveIntegerField(default=0, verbose_name="opt-outs")),
                ("opt_in_count", models.PositiveIntegerField(default=0, verbose_name="opt-ins")),
                ("blank_count", models.PositiveIntegerField(default=0, verbose_name="without a preference")),
                ("reason", models.CharField(blank=True, help_text="Why it was reverted.", max_length=255)),
                (
                    "problems",
                    models.JSONField(default=list, help_text="Why it was refused: file, line, column, reason."),
                ),
                (
                    "recorded_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "reverts",
                    models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="reverted_by",
                        to="attribution.preferencechange",
                    ),
                ),
            ],
            options={
                "verbose_name": "change of preferences",
                "verbose_name_plural": "changes of preferences",
            },
        ),
        migrations.CreateModel(
            name="Preference",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("mbi", models.CharField(max_length=11, verbose_name="MBI")),
                (
                    "choice",
                    models.CharField(
                        blank=True,
                        choices=[("N", "Don't share (N)"), ("Y", "Share (Y)"), ("", "No preference")],
                        max_length=1,
                    ),
                ),
                ("effective_date", models.DateField(null=True)),
                (
                    "source",
                    models.CharField(
                        blank=True, help_text="Where the beneficiary said so, such as 1-800.", max_length=32
                    ),
                ),
                ("line", models.PositiveIntegerField(help_text="In the file.", null=True)),
                (
                    "change",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="preferences",
                        to="attribution.preferencechange",
                    ),
                ),
            ],
        ),
        migrations.AddConstraint(
            model_name="preferencechange",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("kind", "revert"), ("reverts__isnull", False)),
                    models.Q(models.Q(("kind", "revert"), _negated=True), ("reverts", None)),
                    _connector="OR",
                ),
                name="preference_revert_reverts",
            ),
        ),
        migrations.AddIndex(
            model_name="preference",
            index=models.Index(
                condition=models.Q(("choice", "N")), fields=["mbi", "effective_date"], name="preference_opt_outs_of_mbi"
            ),
        ),
        migrations.AddIndex(
            model_name="preference",
            index=models.Index(
                condition=models.Q(("choice", "N")), fields=["effective_date"], name="preference_opt_outs"
            ),
        ),
        migrations.AddIndex(
            model_name="preference",
            index=models.Index(
                condition=models.Q(("choice", "Y")), fields=["mbi", "effective_date"], name="preference_opt_ins"
            ),
        ),
        migrations.AddConstraint(
            model_name="preference",
            constraint=models.CheckConstraint(
                condition=models.Q(("choice", ""), ("effective_date__isnull", False), _connector="OR"),
                name="preference_has_date",
            ),
        ),
    ]
