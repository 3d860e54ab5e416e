from django.conf import settings
from django.db import models
from django.utils import timezone

from credentials.models.organization import Organization


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    def for_organization(self, organization: Organization) -> "AuditEventQuerySet":
        return self.filter(organization=organization)

    def latest_first(self) -> "AuditEventQuerySet":
        return self.order_by("-occurred_at", "-id")


class AuditEvent(models.Model):
    """What happened, who did it, and from where. Rows are only added: a trigger refuses UPDATE and DELETE."""

    class Outcome(models.TextChoices):
        DONE = "done", "Done"
        DENIED = "denied", "Denied"

    occurred_at = models.DateTimeField(default=timezone.now)
    action = models.CharField(max_length=48)
    outcome = models.CharField(max_length=8, choices=Outcome.choices, default=Outcome.DONE)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, null=True, related_name="audit_events")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    client = models.ForeignKey("credentials.Client", on_delete=models.PROTECT, null=True, related_name="+")
    address = models.GenericIPAddressField(null=True)
    request_id = models.CharField(max_length=64, blank=True)
    detail = models.JSONField(default=dict)
    types = models.JSONField(
        default=dict,
        db_default=models.Value({}, models.JSONField()),
        help_text="Which values of the detail are not plain text, by JSON Pointer. See credentials/trail/audit.py.",
    )

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["organization", "-occurred_at"], name="audit_of_organization")]

    def __str__(self) -> str:
        return f"{self.action} at {self.occurred_at:%Y-%m-%d %H:%M:%S} UTC"
