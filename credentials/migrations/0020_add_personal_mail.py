"""Emails to one user about their own sign-in wait in a table, as notices and invitations do.

Nothing changes for notices in the database: their fields are now those of every row that is an email.
"""

import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("credentials", "0019_fill_program_code"),
    ]

    operations = [
        migrations.AlterField(
            model_name="notice",
            name="attempts",
            field=models.PositiveIntegerField(default=0, editable=False),
        ),
        migrations.AlterField(
            model_name="notice",
            name="last_error",
            field=models.CharField(blank=True, editable=False, max_length=200),
        ),
        migrations.AlterField(
            model_name="notice",
            name="next_attempt_at",
            field=models.DateTimeField(default=django.utils.timezone.now, editable=False),
        ),
        migrations.AlterField(
            model_name="notice",
            name="sent_at",
            field=models.DateTimeField(editable=False, help_text="When the mail server accepted the email.", null=True),
        ),
        migrations.CreateModel(
            name="PersonalMail",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "sent_at",
                    models.DateTimeField(
                        editable=False, help_text="When the mail server accepted the email.", null=True
                    ),
                ),
                ("attempts", models.PositiveIntegerField(default=0, editable=False)),
                ("next_attempt_at", models.DateTimeField(default=django.utils.timezone.now, editable=False)),
                ("last_error", models.CharField(blank=True, editable=False, max_length=200)),
                ("kind", models.CharField(help_text="The templates of its subject and its text.", max_length=64)),
                ("email", models.EmailField(max_length=320, verbose_name="email address")),
                (
                    "facts",
                    models.JSONField(
                        default=dict, help_text="What the email says, as it was at the time. Never a secret."
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("sent_at", None)), fields=["next_attempt_at"], name="personal_mail_unsent"
                    ),
                    models.Index(fields=["created_at"], name="personal_mail_created"),
                ],
            },
        ),
    ]
