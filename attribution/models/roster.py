import datetime as dt

from django.conf import settings
from django.db import models
from django.db.models import Max, Q
from django.db.models.functions import Now
from django.utils import timezone

from attribution.models.beneficiary import Beneficiary
from credentials.models import Organization, User

_NEWEST_FIRST = ("-performance_year", "-file_timestamp", "-id")


def _who() -> "models.ForeignKey[User | None, User | None]":
    """Return a field for the user of an act. It is empty if a command or a task did it."""
    # No page and no query looks for the rosters of a user.
    return models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )


class RosterFileQuerySet(models.QuerySet["RosterFile"]):
    def for_organization(self, organization: Organization) -> "RosterFileQuerySet":
        return self.filter(organization=organization)

    def published(self) -> "RosterFileQuerySet":
        return self.filter(status=RosterFile.Status.PUBLISHED)

    def once_in_force(self) -> "RosterFileQuerySet":
        """Published rosters, and those that were until they were rolled back."""
        return self.filter(status__in=[RosterFile.Status.PUBLISHED, RosterFile.Status.ROLLED_BACK])

    def published_at_the_time(self, moment: dt.datetime) -> "RosterFileQuerySet":
        """Those that were published at a time, also if they were rolled back later."""
        not_yet = Q(rolled_back_at=None) | Q(rolled_back_at__gt=moment)
        return self.once_in_force().filter(not_yet, published_at__lte=moment)

    def last_change(self) -> dt.datetime | None:
        """Return when a roster was last published or rolled back. One bad time, far in the future, doesn't count."""
        soon = Now() + dt.timedelta(hours=1)
        found = self.aggregate(
            published_at=Max("published_at", filter=Q(published_at__lt=soon)),
            rolled_back_at=Max("rolled_back_at", filter=Q(rolled_back_at__lt=soon)),
        )
        return max((each for each in found.values() if each is not None), default=None)

    def latest_first(self) -> "RosterFileQuerySet":
        return self.order_by("-received_at", "-id")

    def newest_first(self) -> "RosterFileQuerySet":
        """Order by CMS's own date, not by the order of arrival."""
        return self.order_by(*_NEWEST_FIRST)

    def newest_of_each_organization(self) -> "RosterFileQuerySet":
        return self.order_by("organization_id", *_NEWEST_FIRST).distinct("organization_id")


class RosterFile(models.Model):
    """An uploaded roster: the beneficiaries that CMS attributed to an organization at `file_timestamp`.

    The beneficiaries of a published roster never change. The next month's is another row. A previewed one has its
    beneficiaries, too, but nothing uses them until it is published. From `published_at` until `rolled_back_at`, it
    counts among the published ones, of which the newest is in force.
    """

    class Kind(models.TextChoices):
        CURRENT = "current", "Current"
        RUNOUT = "runout", "Runout"

    class Status(models.TextChoices):
        DISCARDED = "discarded", "Discarded"
        PREVIEWED = "previewed", "Previewed"
        PUBLISHED = "published", "Published"
        REFUSED = "refused", "Refused"
        ROLLED_BACK = "rolledback", "Rolled back"  # the column has room for ten characters

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

    approval_asked_at = models.DateTimeField(null=True, help_text="When a second approval was asked for.")
    approval_asked_by = _who()
    swing_reason = models.CharField(
        max_length=500, db_default="", blank=True, help_text="Why so many beneficiaries joined or left."
    )
    published_by = _who()
    rolled_back_at = models.DateTimeField(null=True)
    rolled_back_by = _who()
    rollback_reason = models.CharField(max_length=500, db_default="", blank=True)
    discarded_at = models.DateTimeField(null=True)
    discarded_by = _who()

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
                condition=~Q(status__in=["published", "rolledback"]) | Q(published_at__isnull=False),
                name="roster_in_force_has_time",
            ),
            models.CheckConstraint(
                condition=~Q(status="rolledback") | Q(rolled_back_at__isnull=False), name="roster_rolled_back_has_time"
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

    def is_older_than(self, other: "RosterFile") -> bool:
        """Compare by CMS's own date, as `newest_first` does."""
        mine, others = ((each.performance_year, each.file_timestamp, each.pk) for each in (self, other))
        return mine < others

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
