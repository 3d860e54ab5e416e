from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from attribution.models.beneficiary import Beneficiary
from credentials.models import Organization

_NEWEST_FIRST = ("-performance_year", "-file_timestamp", "-id")


class RosterFileQuerySet(models.QuerySet["RosterFile"]):
    def for_organization(self, organization: Organization) -> "RosterFileQuerySet":
        return self.filter(organization=organization)

    def published(self) -> "RosterFileQuerySet":
        return self.filter(status=RosterFile.Status.PUBLISHED)

    def latest_first(self) -> "RosterFileQuerySet":
        return self.order_by("-received_at", "-id")

    def newest_first(self) -> "RosterFileQuerySet":
        """Order by CMS's own date, not by the order of arrival."""
        return self.order_by(*_NEWEST_FIRST)

    def newest_of_each_organization(self) -> "RosterFileQuerySet":
        return self.order_by("organization_id", *_NEWEST_FIRST).distinct("organization_id")


class RosterFile(models.Model):
    """An uploaded roster: the beneficiaries that CMS attributed to an organization at `file_timestamp`.

    A published roster never changes. The next month's is another row.
    """

    class Kind(models.TextChoices):
        CURRENT = "current", "Current"
        RUNOUT = "runout", "Runout"

    class Status(models.TextChoices):
        PUBLISHED = "published", "Published"
        REFUSED = "refused", "Refused"

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="rosters")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    status = models.CharField(max_length=10, choices=Status.choices)
    file_name = models.CharField(max_length=255)
    sha256 = models.CharField("SHA-256", max_length=64)
    performance_year = models.PositiveSmallIntegerField()
    file_timestamp = models.DateTimeField(
        help_text="When CMS created the file, if the file says so. If not, when it was received."
    )
    received_at = models.DateTimeField(default=timezone.now, editable=False)
    published_at = models.DateTimeField(null=True)
    received_from = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    beneficiary_count = models.PositiveIntegerField(default=0)
    joined_count = models.PositiveIntegerField(default=0, help_text="On this roster and not on the one before.")
    left_count = models.PositiveIntegerField(default=0, help_text="On the roster before and not on this one.")
    problems = models.JSONField(default=list, help_text="Why it was refused: file, line, column, reason.")
    warnings = models.JSONField(
        default=list,
        db_default=[],
        help_text="What is unusual, although it was not refused: file, line, column, reason.",
    )

    objects = RosterFileQuerySet.as_manager()

    class Meta:
        verbose_name = "roster"
        constraints = [
            models.UniqueConstraint(
                # Names that say nothing come again every month.
                fields=["organization", "file_name", "file_timestamp"],
                condition=Q(status="published"),
                name="roster_file_published_once",
            ),
            models.CheckConstraint(
                condition=Q(status="refused") | Q(published_at__isnull=False), name="roster_published_has_time"
            ),
        ]
        indexes = [
            models.Index(
                fields=["organization", "kind", "-performance_year", "-file_timestamp"],
                condition=Q(status="published"),
                name="roster_newest",
            )
        ]

    def __str__(self) -> str:
        return self.file_name

    @property
    def says_when_created(self) -> bool:
        """Return False for a file that didn't say when it was created. Its timestamp is then that of its arrival."""
        return self.file_timestamp != self.received_at


class RosterEntry(models.Model):
    """A beneficiary on a roster."""

    pk = models.CompositePrimaryKey("roster_id", "beneficiary_id")
    roster = models.ForeignKey(RosterFile, on_delete=models.CASCADE, related_name="entries", db_index=False)
    beneficiary = models.ForeignKey(Beneficiary, on_delete=models.PROTECT, related_name="roster_entries")

    class Meta:
        verbose_name_plural = "roster entries"

    def __str__(self) -> str:
        return f"{self.beneficiary_id} on {self.roster_id}"
