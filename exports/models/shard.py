from typing import Any

from django.db import models
from django.db.models import Case, Q, Value, When
from django.db.models.functions import Now

from attribution.cohorts import Population
from exports.models.job import Job


class ShardQuerySet(models.QuerySet["Shard"]):
    def unwritten(self) -> "ShardQuerySet":
        return self.exclude(status=Shard.Status.WRITTEN)

    def free(self) -> "ShardQuerySet":
        """Shards without a current lease, which can be taken. The database's clock decides, not the workers'."""
        waits = Q(status__in=Shard.Status.of_waiting())
        return self.filter(waits | Q(status=Shard.Status.WRITING, lease_until__lt=Now()))

    def put_back(self, **changes: Any) -> int:
        """Let shards wait for a worker. Return how many."""
        as_before = When(Shard.WRITTEN_BY_EARLIER_CODE, then=Value(Shard.Status.WAITING))
        status = Case(as_before, default=Value(Shard.Status.QUEUED))
        return self.update(status=status, lease_holder=None, lease_until=None, **changes)

    def busy(self) -> "ShardQuerySet":
        return self.filter(status=Shard.Status.WRITING, lease_until__gte=Now())


class Shard(models.Model):
    """A part of a job that becomes one file: a resource type, a range of beneficiaries.

    The worker that writes it holds a lease, and renews it while it writes (`lease_until`, `lease_holder`).
    """

    class Status(models.TextChoices):
        WAITING = "waiting", "Waiting"
        # The same for shards that the code before sources can't write: it takes only those that are "waiting". When no
        # release before this one runs any more, all can be "queued".
        QUEUED = "queued", "Waiting"
        WRITING = "writing", "Writing"
        WRITTEN = "written", "Written"

        @classmethod
        def of_waiting(cls) -> "tuple[Shard.Status, Shard.Status]":
            return cls.WAITING, cls.QUEUED

    class Kind(models.TextChoices):
        OUTPUT = "output", "Resources"
        DELETED = "deleted", "Deletions"
        ERROR = "error", "Errors"

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="shards")
    number = models.PositiveIntegerField(help_text="Its place in the manifest.")
    kind = models.CharField(
        max_length=7, choices=Kind.choices, default=Kind.OUTPUT, help_text="Which list of the manifest its file is in."
    )
    resource_type = models.CharField(max_length=32)
    population = models.CharField(max_length=16, choices=Population.choices)
    since = models.DateTimeField(null=True)
    first_beneficiary_id = models.BigIntegerField()
    last_beneficiary_id = models.BigIntegerField()
    resource_count = models.PositiveBigIntegerField()
    raw_length = models.PositiveBigIntegerField(
        help_text="Bytes of NDJSON to read. With filters, the file can be smaller. An estimate unless it is sized."
    )
    is_sized = models.BooleanField(
        db_default=True, help_text="The source knew beforehand how much it is. Exactly that must come."
    )
    file_name = models.CharField(max_length=64, unique=True, help_text="Of the last attempt: each has its own.")

    status = models.CharField(max_length=8, choices=Status.choices, default=Status.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_holder = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    retry_at = models.DateTimeField(
        null=True, help_text="The last attempt failed. No worker takes it before this time."
    )
    sent_at = models.DateTimeField(null=True, help_text="No longer used.")
    bytes_written = models.PositiveBigIntegerField(default=0)
    # Whoever opts out later is in the file. NULL if nobody asked, for example code of an earlier release.
    asked_change_id = models.BigIntegerField(
        null=True, help_text="The newest change of preferences that the writing of its file knew."
    )
    asked_on = models.DateField(null=True, help_text="The day on which its file was written.")
    last_error = models.CharField(max_length=200, blank=True, help_text="What went wrong at the last attempt.")

    WRITTEN_BY_EARLIER_CODE = Q(is_sized=True) & ~Q(kind="error")

    objects = ShardQuerySet.as_manager()

    class Meta:
        ordering = ["job", "number"]
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="shard_number_once")]
        indexes = [
            models.Index(fields=["job"], condition=~Q(status="written"), name="shard_unwritten"),
            models.Index(fields=["job", "number"], condition=Q(status="waiting"), name="shard_waiting"),
            models.Index(fields=["job", "number"], condition=Q(status__in=["waiting", "queued"]), name="shard_free"),
            models.Index(fields=["job"], condition=Q(status="writing"), name="shard_writing"),
        ]

    def __str__(self) -> str:
        return f"shard {self.number} of job {self.job_id}"
