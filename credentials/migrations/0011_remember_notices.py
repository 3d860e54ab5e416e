import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("credentials", "0010_audit_events_are_not_truncated"),
    ]

    operations = [
        migrations.CreateModel(
            name="Notice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("addresses_changed", "Addresses Changed"),
                            ("client_created", "Client Created"),
                            ("client_revoked", "Client Revoked"),
                            ("client_unused", "Client Unused"),
                            ("secret_created", "Secret Created"),
                            ("secret_expired", "Secret Expired"),
                            ("secret_expiring", "Secret Expiring"),
                            ("secret_revoked", "Secret Revoked"),
                            ("secret_rotated", "Secret Rotated"),
                        ],
                        max_length=24,
                    ),
                ),
                ("subject", models.CharField(help_text="The event or the moment that it is about.", max_length=64)),
                (
                    "facts",
                    models.JSONField(
                        default=dict, help_text="What the message tells, as it was at the time. No secret."
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("sent_at", models.DateTimeField(null=True)),
                (
                    "withdrawn_at",
                    models.DateTimeField(help_text="When it had become pointless before it could be sent.", null=True),
                ),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("next_attempt_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("last_error", models.CharField(blank=True, max_length=200)),
                (
                    "client",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.OAUTH2_PROVIDER_APPLICATION_MODEL,
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="credentials.organization"
                    ),
                ),
                (
                    "secret",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="credentials.clientsecret",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to=settings.AUTH_USER_MODEL
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("sent_at", None), ("withdrawn_at", None)),
                        fields=["next_attempt_at"],
                        name="notice_unsent",
                    )
                ],
                "constraints": [models.UniqueConstraint(fields=("user", "kind", "subject"), name="notice_once")],
            },
        ),
    ]
