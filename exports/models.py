"""What an export is: a job, its shards, the files they become; and the claims store's own models."""

import datetime as dt
import uuid
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import connection, models
from django.db.models import Count, Min, Q, Sum
from django.db.models.functions import Now
from django.utils import timezone

from attribution.models import RosterFile
from credentials.models import Client, Organization
from exports.claims.models import Chunk, Deletion, Load, PatientIdentity

__all__ = ["EARLIEST_SINCE", "Chunk", "Deletion", "Job", "Load", "OutputFile", "PatientIdentity", "Shard"]

# Medicare is younger. And in UTC, the first hours of the year 1 are before Christ, where Python has no time.
EARLIEST_SINCE = dt.datetime(1900, 1, 1, tzinfo=dt.UTC)


class JobQuerySet(models.QuerySet["Job"]):
    def for_organization(self, organization: Organization) -> "JobQuerySet":
        return self.filter(organization=organization)

    def unfinished(self) -> "JobQuerySet":
        return self.filter(status__in=Job.UNFINISHED)

    def oldest_load(self) -> int | None:
        """The oldest load that one of them goes by."""
        oldest: int | None = self.aggregate(oldest=Min("as_of_load"))["oldest"]
        return oldest

    def latest_first(self) -> "JobQuerySet":
        return self.order_by("-created_at", "-id")

    def newest_of_each_organization(self) -> "JobQuerySet":
        return self.order_by("organization_id", "-created_at", "-id").distinct("organization_id")

    def with_files(self) -> "JobQuerySet":
        """Those that were finished, whether or not their files are still there."""
        return self.filter(status__in=[Job.Status.COMPLETED, Job.Status.EXPIRED])

    def with_totals(self) -> "JobQuerySet":
        """Adds `file_count` and `byte_count` (bytes of NDJSON, or None)."""
        return self.annotate(file_count=Count("files"), byte_count=Sum("files__raw_length"))


class Job(models.Model):
    """A bulk export that an organization asked for.

    What it will hold is fixed when it is planned: the roster, the earlier roster that tells newly attributed
    beneficiaries from the others, and the last load of claims that it sees. A step that runs twice therefore writes
    the same bytes.
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
        GROUP_ALL = "group_all", "Group/all"

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

    roster = models.ForeignKey(RosterFile, on_delete=models.PROTECT, related_name="+")
    earlier_roster = models.ForeignKey(RosterFile, on_delete=models.PROTECT, null=True, related_name="+")
    has_newly_attributed = models.BooleanField(
        default=False, help_text="Whoever is not on the earlier roster gets the whole history, whatever `_since` says."
    )
    claims_from_date = models.DateField(null=True, help_text="Claims whose service ended before it are left out.")
    claims_through_date = models.DateField(null=True, help_text="Claims whose service ended after it are left out.")
    as_of_load = models.ForeignKey(Load, on_delete=models.PROTECT, null=True, related_name="+")
    transaction_time = models.DateTimeField(null=True)

    status = models.CharField(max_length=12, choices=Status.choices, default=Status.PENDING)
    failure = models.CharField(max_length=500, blank=True)
    plan_attempts = models.PositiveSmallIntegerField(default=0)
    sent_at = models.DateTimeField(null=True, help_text="When a worker was last told to plan it.")
    bytes_left = models.PositiveBigIntegerField(
        db_default=0, help_text="Bytes of NDJSON to go through that are not in a file yet: which job is soonest done."
    )
    created_at = models.DateTimeField(default=timezone.now)
    planned_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    files_removed_at = models.DateTimeField(null=True)

    objects = JobQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["organization", "-created_at"], name="job_of_organization"),
            models.Index(
                fields=["created_at"], condition=Q(status__in=["pending", "in_progress"]), name="job_unfinished"
            ),
            models.Index(fields=["expires_at"], condition=Q(status="completed"), name="job_expiring"),
            # By these two the next shard is chosen; see exports/pipeline/turns.py.
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
        """Move from one status to the next; True for exactly one caller."""
        moved = Job.objects.filter(pk=self.pk, status=from_).update(status=to, **changes)
        if moved:
            self.refresh_from_db(fields=["status", *changes])
        return bool(moved)

    @property
    def is_unfinished(self) -> bool:
        return self.status in self.UNFINISHED

    @property
    def has_expired(self) -> bool:
        """True once its files may no longer be fetched, whether or not they have been removed yet."""
        over = self.expires_at is not None and self.expires_at <= timezone.now()
        return self.status == self.Status.EXPIRED or (self.status == self.Status.COMPLETED and over)

    def progress(self) -> int:
        """How far the writing is, in whole percent of the bytes to write, 0 to 99 until the job is finished."""
        sums = self.shards.aggregate(written=Sum("bytes_written"), total=Sum("raw_length"))
        return min(99, 100 * (sums["written"] or 0) // (sums["total"] or 1))


class ShardQuerySet(models.QuerySet["Shard"]):
    def unwritten(self) -> "ShardQuerySet":
        return self.exclude(status=Shard.Status.WRITTEN)

    def free(self) -> "ShardQuerySet":
        """Those that may be taken: nobody holds a lease. The database's clock decides, the workers' may differ."""
        return self.filter(Q(status=Shard.Status.WAITING) | Q(status=Shard.Status.WRITING, lease_until__lt=Now()))

    def busy(self) -> "ShardQuerySet":
        return self.filter(status=Shard.Status.WRITING, lease_until__gte=Now())


class Shard(models.Model):
    """A part of a job that becomes one file: a resource type, a range of beneficiaries.

    A worker that writes it holds a lease, which it renews while it lives (`lease_until`, `lease_holder`).
    """

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        WRITING = "writing", "Writing"
        WRITTEN = "written", "Written"

    class Kind(models.TextChoices):
        OUTPUT = "output", "Resources"
        DELETED = "deleted", "Deletions"

    class Population(models.TextChoices):
        EVERYONE = "everyone", "Everyone"
        EXISTING = "existing", "On the earlier roster too"
        NEWLY_ATTRIBUTED = "newly_attributed", "Newly attributed"

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="shards")
    number = models.PositiveIntegerField(help_text="Its place in the manifest.")
    kind = models.CharField(
        max_length=7, choices=Kind.choices, default=Kind.OUTPUT, help_text="In which list of the manifest its file is."
    )
    resource_type = models.CharField(max_length=32)
    population = models.CharField(max_length=16, choices=Population.choices)
    since = models.DateTimeField(null=True)
    first_beneficiary_id = models.BigIntegerField()
    last_beneficiary_id = models.BigIntegerField()
    resource_count = models.PositiveBigIntegerField()
    raw_length = models.PositiveBigIntegerField(help_text="Bytes of NDJSON to go through: filters may leave less.")
    file_name = models.CharField(max_length=64, unique=True)

    status = models.CharField(max_length=8, choices=Status.choices, default=Status.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_holder = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    retry_at = models.DateTimeField(null=True, help_text="It failed, and nobody takes it before then.")
    sent_at = models.DateTimeField(null=True, help_text="Not used any more: nobody is told of a shard.")
    bytes_written = models.PositiveBigIntegerField(default=0)
    last_error = models.CharField(max_length=200, blank=True, help_text="What went wrong at the last attempt.")

    objects = ShardQuerySet.as_manager()

    class Meta:
        ordering = ["job", "number"]
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="shard_number_once")]
        indexes = [
            models.Index(fields=["job"], condition=~Q(status="written"), name="shard_unwritten"),
            models.Index(fields=["job", "number"], condition=Q(status="waiting"), name="shard_waiting"),
            models.Index(fields=["job"], condition=Q(status="writing"), name="shard_writing"),
        ]

    def __str__(self) -> str:
        return f"shard {self.number} of job {self.job_id}"

    def take(self, *, holder: uuid.UUID, lease: dt.timedelta) -> bool:
        """Begin to write, unless someone else is writing or has written it."""
        # By hand, as in `hand_in`: a small file takes ten milliseconds, and building these two took four of them.
        return _change(
            """
            UPDATE exports_shard shard
            SET status = 'writing', lease_holder = %(holder)s, lease_until = statement_timestamp() + %(lease)s,
                attempts = attempts + 1, bytes_written = 0, retry_at = NULL
            FROM exports_job job
            WHERE shard.id = %(id)s AND job.id = shard.job_id AND job.status = 'in_progress'
                AND (shard.status = 'waiting' OR shard.status = 'writing' AND shard.lease_until < statement_timestamp())
            """,
            {"id": self.pk, "holder": holder, "lease": lease},
        )

    def hand_in(self, *, holder: uuid.UUID, resource_count: int, raw_length: int, stored_length: int) -> bool:
        """Record the finished file, unless it is empty; False if the shard is not the holder's any more."""
        return _change(
            """
            WITH written AS (
                UPDATE exports_shard shard
                SET status = 'written', lease_holder = NULL, lease_until = NULL, bytes_written = shard.raw_length,
                    last_error = ''
                FROM exports_job job
                WHERE shard.id = %(id)s AND job.id = shard.job_id AND job.status = 'in_progress'
                    AND shard.status = 'writing' AND shard.lease_holder = %(holder)s
                RETURNING shard.*
            ), recorded AS (
                INSERT INTO exports_outputfile (
                    shard_id, job_id, name, resource_type, resource_count, raw_length, stored_length, sha256, written_at
                )
                SELECT id, job_id, file_name, resource_type,
                       %(resource_count)s, %(raw_length)s, %(stored_length)s, '', statement_timestamp()
                FROM written WHERE %(resource_count)s > 0
            ), counted AS (
                UPDATE exports_job job SET bytes_left = greatest(0, job.bytes_left - written.raw_length)
                FROM written WHERE job.id = written.job_id
            )
            SELECT FROM written
            """,
            {
                "id": self.pk,
                "holder": holder,
                "resource_count": resource_count,
                "raw_length": raw_length,
                "stored_length": stored_length,
            },
        )

    def let_go(self, *, holder: uuid.UUID, error: str = "", rest: dt.timedelta = dt.timedelta()) -> bool:
        """Give the lease back, so that the shard can be taken again after a rest; False if it was lost before."""
        released = Shard.objects.filter(pk=self.pk, status=self.Status.WRITING, lease_holder=holder).update(
            status=self.Status.WAITING,
            lease_holder=None,
            lease_until=None,
            retry_at=Now() + rest,
            bytes_written=0,
            last_error=error,
        )
        return bool(released)

    def renew(self, *, holder: uuid.UUID, lease: dt.timedelta, bytes_written: int) -> bool:
        """Keep the lease; False when it was lost or the job is no longer wanted."""
        kept = Shard.objects.filter(
            pk=self.pk, status=self.Status.WRITING, lease_holder=holder, job__status=Job.Status.IN_PROGRESS
        ).update(lease_until=Now() + lease, bytes_written=bytes_written)
        return bool(kept)


def _change(statement: str, values: Mapping[str, Any]) -> bool:
    """Whether the statement has changed anything."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return bool(cursor.rowcount > 0)


class OutputFileQuerySet(models.QuerySet["OutputFile"]):
    def for_organization(self, organization: Organization) -> "OutputFileQuerySet":
        return self.filter(job__organization=organization)


class OutputFile(models.Model):
    """A file of a finished shard: NDJSON, stored as one gzip member."""

    shard = models.OneToOneField(Shard, on_delete=models.CASCADE, related_name="file")
    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="files")
    name = models.CharField(max_length=64, unique=True)
    resource_type = models.CharField(max_length=32)
    resource_count = models.PositiveBigIntegerField()
    raw_length = models.PositiveBigIntegerField("bytes", help_text="Bytes of NDJSON.")
    stored_length = models.PositiveBigIntegerField("bytes stored", help_text="Bytes of the gzip file.")
    sha256 = models.CharField(
        "SHA-256",
        max_length=64,
        blank=True,
        help_text="Of the bytes stored, in hexadecimal; empty until it is asked for.",
    )
    written_at = models.DateTimeField(default=timezone.now)

    objects = OutputFileQuerySet.as_manager()

    class Meta:
        ordering = ["shard__number"]

    def __str__(self) -> str:
        return self.name
