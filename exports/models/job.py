import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Count, Min, Q, Sum
from django.utils import timezone

from attribution.cohorts import Cohort
from attribution.consent.opt_outs import Consent
from attribution.models import RosterFile
from credentials.models import Client, Organization
from exports.claims.models import Load

# Medicare is younger. And in UTC, the first hours of the year 1 can be in the year 0, which Python can't represent.
EARLIEST_SINCE = dt.datetime(1900, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True)
class Progress:
    """Whole percent of the bytes to write, 0 to 99. None while a file is missing whose size nobody knows beforehand."""

    percent: int | None
    files_written: int
    file_count: int

    def __str__(self) -> str:
        if self.percent is None:
            return f"{self.files_written} of {self.file_count} files"
        return f"{self.percent}%"


class JobQuerySet(models.QuerySet["Job"]):
    def for_organization(self, organization: Organization) -> "JobQuerySet":
        """An organization's jobs. They come with the organization, which says whether their files can be downloaded."""
        return self.filter(organization=organization).select_related("organization")

    def unfinished(self) -> "JobQuerySet":
        return self.filter(status__in=Job.UNFINISHED)

    def with_roster(self, roster: RosterFile) -> "JobQuerySet":
        """Jobs whose content depends on who is on a roster."""
        return self.filter(
            Q(roster=roster) | Q(more_roster_ids__contains=[roster.pk]) | Q(subtracted_roster_ids__contains=[roster.pk])
        )

    def oldest_load(self) -> int | None:
        """The oldest load that one of them uses."""
        oldest: int | None = self.aggregate(oldest=Min("as_of_load"))["oldest"]
        return oldest

    def latest_first(self) -> "JobQuerySet":
        return self.order_by("-created_at", "-id")

    def newest_of_each_organization(self) -> "JobQuerySet":
        return self.order_by("organization_id", "-created_at", "-id").distinct("organization_id")

    def with_files(self) -> "JobQuerySet":
        """Jobs that finished, whether or not their files still exist."""
        return self.filter(status__in=[Job.Status.COMPLETED, Job.Status.EXPIRED])

    def with_totals(self) -> "JobQuerySet":
        """Add `file_count` and `byte_count` (bytes of NDJSON, or None)."""
        return self.annotate(file_count=Count("files"), byte_count=Sum("files__raw_length"))


class Job(models.Model):
    """A bulk export that an organization requested.

    Its content is fixed: the cohort (its rosters, and the earlier one that decides which beneficiaries are newly
    attributed) when it is started, the last load of claims that it sees when it is planned.
    """

    class Status(models.TextChoices):
        PENDING = "pending", "Queued"
        IN_PROGRESS = "in_progress", "In progress"
        COMPLETED = "completed", "Ready"
        FAILED = "failed", "Failed"
        CANCELLED = "cancelled", "Cancelled"
        EXPIRED = "expired", "Expired"

    class Scope(models.TextChoices):
        PATIENT = "patient", "Patient"
        GROUP_ALL = "group_all", "Group"  # of any cohort rule; named when there was only one

    UNFINISHED = (Status.PENDING, Status.IN_PROGRESS)
    PATIENCE = dt.timedelta(minutes=10)

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="jobs")
    client = models.ForeignKey(Client, on_delete=models.PROTECT, null=True, related_name="jobs")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    version = models.PositiveSmallIntegerField(help_text="The API version: 2 is R4.")
    scope = models.CharField(max_length=12, choices=Scope.choices)
    resource_types = ArrayField(models.CharField(max_length=32))
    since = models.DateTimeField(null=True)
    request_url = models.TextField()

    cohort_rule = models.CharField(max_length=32, db_default="all", help_text="Which rule chose the rosters.")
    roster = models.ForeignKey(RosterFile, on_delete=models.PROTECT, related_name="+")
    earlier_roster = models.ForeignKey(RosterFile, on_delete=models.PROTECT, null=True, related_name="+")
    # Published rosters are never deleted.
    more_roster_ids = ArrayField(
        models.BigIntegerField(), db_default=[], help_text="Rosters whose beneficiaries are exported, too."
    )
    subtracted_roster_ids = ArrayField(
        models.BigIntegerField(), db_default=[], help_text="Rosters whose beneficiaries are left out."
    )
    mistaken_roster_ids = ArrayField(
        models.BigIntegerField(),
        db_default=[],
        help_text="Rosters that were rolled back after `_since`. Clients are told to delete their beneficiaries.",
    )
    has_newly_attributed = models.BooleanField(
        default=False,
        help_text="Beneficiaries not on the earlier roster come with their whole history, regardless of `_since`.",
    )
    returned_beneficiary_ids = ArrayField(
        models.BigIntegerField(), db_default=[], help_text="Those who come with it, too, since they no longer opt out."
    )
    honors_opt_outs = models.BooleanField(db_default=True, help_text="Beneficiaries who opted out are left out.")
    opt_outs_as_of = models.DateField(null=True, help_text="Later opt-outs don't apply.")
    claims_from_date = models.DateField(
        null=True, help_text="Claims whose service ended before this date are left out."
    )
    claims_through_date = models.DateField(
        null=True, help_text="Claims whose service ended after this date are left out."
    )
    source = models.CharField(max_length=32, db_default="store", help_text="Where its resources come from.")
    as_of_load = models.ForeignKey(Load, on_delete=models.PROTECT, null=True, related_name="+")
    transaction_time = models.DateTimeField(null=True)

    status = models.CharField(max_length=12, choices=Status.choices, default=Status.PENDING)
    failure = models.CharField(max_length=500, blank=True)
    plan_attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, help_text="When a worker was last told to plan it.")
    bytes_left = models.PositiveBigIntegerField(
        db_default=0, help_text="Bytes of NDJSON that are not in a file yet. Decides which job can be finished first."
    )
    created_at = models.DateTimeField(default=timezone.now)
    planned_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True, help_text="When its roster was rolled back.")
    files_removed_at = models.DateTimeField(null=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["organization", "-created_at"], name="job_of_organization"),
            models.Index(
                fields=["created_at"], condition=Q(status__in=["pending", "in_progress"]), name="job_unfinished"
            ),
            models.Index(fields=["expires_at"], condition=Q(status="completed"), name="job_expiring"),
            # These two decide the next shard; see exports/pipeline/turns.py.
            models.Index(
                fields=["organization", "bytes_left", "id"],
                condition=Q(status="in_progress"),
                name="job_soonest_done",
            ),
            models.Index(
                fields=["organization", "created_at", "id"],
                condition=Q(status="in_progress"),
                name="job_longest_waiting",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(since__gte=EARLIEST_SINCE, since__lt=dt.datetime(9999, 1, 1, tzinfo=dt.UTC)),
                name="job_since_can_be_read",
            )
        ]

    def __str__(self) -> str:
        return f"job {self.pk}"

    def advance(self, *, from_: Status, to: Status, **changes: Any) -> bool:
        """Move from one status to the next. Return True for exactly one caller."""
        moved = Job.objects.filter(pk=self.pk, status=from_).update(status=to, **changes)
        if moved:
            self.refresh_from_db(fields=["status", *changes])
        return bool(moved)

    @property
    def is_unfinished(self) -> bool:
        return self.status in self.UNFINISHED

    @property
    def is_of_another_program(self) -> bool:
        """Return True if the organization's program has changed since: other rules say what it can get."""
        changed_at = self.organization.program_changed_at
        return changed_at is not None and changed_at > self.created_at

    @property
    def has_expired(self) -> bool:
        """Return True if its files can no longer be downloaded, whether or not they have been removed."""
        over = self.is_of_another_program or (self.expires_at is not None and self.expires_at <= timezone.now())
        return self.status == self.Status.EXPIRED or (self.status == self.Status.COMPLETED and over)

    @property
    def endpoint(self) -> str:
        """Return what was called: "Patient", or "Group/" and the cohort rule."""
        return "Patient" if self.scope == self.Scope.PATIENT else f"Group/{self.cohort_rule}"

    @property
    def cohort(self) -> Cohort:
        """Return whose claims it exports, as pinned when it was started."""
        return Cohort(
            rule=self.cohort_rule,
            roster_ids=(self.roster_id, *self.more_roster_ids),
            subtracted_roster_ids=tuple(self.subtracted_roster_ids),
            earlier_roster_id=self.earlier_roster_id,
            mistaken_roster_ids=tuple(self.mistaken_roster_ids),
            has_newly_attributed=self.has_newly_attributed,
            returned_ids=tuple(self.returned_beneficiary_ids),
            consent=Consent(self.honors_opt_outs, as_of=self.opt_outs_as_of),
        )

    def progress(self) -> Progress:
        """Return how far an unfinished job is."""
        sums = self.shards.aggregate(
            written=Sum("bytes_written"),
            total=Sum("raw_length"),
            files_written=Count("pk", filter=Q(status="written")),
            file_count=Count("pk"),
            unknown=Count("pk", filter=Q(is_sized=False, kind="output") & ~Q(status="written")),
        )
        percent = None if sums["unknown"] else min(99, 100 * (sums["written"] or 0) // (sums["total"] or 1))
        return Progress(percent, sums["files_written"], sums["file_count"])
