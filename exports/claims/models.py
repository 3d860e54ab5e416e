from typing import NamedTuple

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils import timezone

from attribution.models import Beneficiary

# The variant of a resource that leaves nothing out. Another one is rendered at load, under its own list of elements.
FULL = "full"
VARIANTS = (FULL,)


class Series(NamedTuple):
    """Resources among which an id is unique for a beneficiary: one that comes again replaces the one that is there."""

    version: int
    resource_type: str
    variant: str = FULL


class Load(models.Model):
    """Claims that came in together, in one API version or several.

    All of a load is stored, or none of it, and it is reverted as a whole. Loads have one order.

    `loaded_at` is the `meta.lastUpdated` of all its resources.
    """

    id = models.BigAutoField(primary_key=True)
    source = models.CharField(max_length=200, help_text="Where the claims came from, in words.")
    versions = ArrayField(
        models.PositiveSmallIntegerField(), db_default=[], help_text="The API versions of its resources."
    )
    # For the release before, which reverts a load in this version. It can't revert one of several: NULL fails there.
    version = models.PositiveSmallIntegerField(null=True, help_text="No longer used.")
    loaded_at = models.DateTimeField(default=timezone.now)
    resource_count = models.PositiveBigIntegerField(default=0)
    raw_length = models.PositiveBigIntegerField("bytes", default=0, help_text="NDJSON bytes before compression.")
    takes_back = models.OneToOneField(
        "self",
        on_delete=models.PROTECT,
        null=True,
        related_name="taken_back_by",
        help_text="The load that this one reverts.",
    )
    closed_at = models.DateTimeField(
        null=True, help_text="When it was merged with older loads. It can't be reverted since then."
    )

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"load {self.pk}: {self.source}"

    @property
    def api_versions(self) -> list[int]:
        """Return the API versions of its resources. The release before has written one, in the other column."""
        return self.versions or ([] if self.version is None else [self.version])


class Chunk(models.Model):
    """The resources of one type of one beneficiary, in one API version and variant, from one load or several.

    `body` is NDJSON, compressed into raw DEFLATE blocks that end on a byte and are not the last, so that bodies can be
    joined without reading them; see exports/claims/splice.py. Compaction joins chunks of several loads. Their
    `segments` say where each load begins, oldest first, so that `_since` can fall between two of them.

    Only `superseded_by` of a row changes: when a later load replaces some of its resources, the rest is written as a
    new row of that load. So every past state can still be exported, and a load can be reverted.

    The table is partitioned by resource type (migration 0004): an export reads one type at a time. Why the variant
    comes after the beneficiary in its keys: docs/decisions/0024-versions-and-variants.md.
    """

    pk = models.CompositePrimaryKey("version", "resource_type", "beneficiary_id", "variant", "load_id", "last_updated")
    version = models.PositiveSmallIntegerField(help_text="The API version.")
    variant = models.CharField(max_length=16, db_default=FULL, help_text="How much of each resource it has.")
    resource_type = models.CharField(max_length=32)
    beneficiary = models.ForeignKey(Beneficiary, on_delete=models.PROTECT, related_name="+", db_index=False)
    load = models.ForeignKey(
        Load, on_delete=models.PROTECT, related_name="chunks", help_text="Visible from this load on."
    )
    superseded_by = models.ForeignKey(
        Load, on_delete=models.PROTECT, null=True, related_name="superseded", help_text="Visible before this load only."
    )
    first_updated = models.DateTimeField(help_text="lastUpdated of its oldest segment.")
    last_updated = models.DateTimeField(help_text="lastUpdated of its newest segment.")
    first_service_date = models.DateField(null=True, help_text="None when a resource has none.")
    last_service_date = models.DateField(null=True)
    resource_count = models.PositiveIntegerField()
    raw_length = models.PositiveIntegerField(help_text="Bytes of NDJSON before compression.")
    crc32 = models.BigIntegerField(help_text="CRC-32 of the NDJSON.")
    segments = models.JSONField(
        null=True, help_text="The parts it was merged from, oldest first. None if it comes from one load."
    )
    body = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version", "resource_type", "beneficiary", "variant", "last_updated"],
                condition=models.Q(superseded_by=None),
                name="chunk_current_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.resource_count} {self.resource_type} of beneficiary {self.beneficiary_id}, v{self.version}"

    @property
    def series(self) -> Series:
        return Series(self.version, self.resource_type, self.variant)


class Deletion(models.Model):
    """Resources of a beneficiary that a load removed from older chunks, at the load's `loaded_at`.

    `is_replaced` means that the same load brought them again, so a client gets them with its next `_since`. A client
    learns of the others if it has access to claims of their service dates.
    """

    load = models.ForeignKey(Load, on_delete=models.PROTECT, related_name="deletions")
    version = models.PositiveSmallIntegerField(help_text="The API version.")
    variant = models.CharField(max_length=16, db_default=FULL, help_text="How much of each resource it had.")
    resource_type = models.CharField(max_length=32)
    beneficiary = models.ForeignKey(Beneficiary, on_delete=models.PROTECT, related_name="+", db_index=False)
    is_replaced = models.BooleanField()
    resource_ids = ArrayField(models.CharField(max_length=64))
    service_dates = ArrayField(
        models.DateField(null=True),
        default=list,
        help_text="The last day of service of each resource, null if it has none. Empty if not stored.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version", "resource_type", "beneficiary", "variant", "load", "is_replaced"],
                name="deletion_once",
            )
        ]
        # Few of the resources that loads replace are removed for good.
        indexes = [
            models.Index(
                fields=["version", "resource_type", "beneficiary"],
                condition=models.Q(is_replaced=False),
                name="deletion_for_good",
            )
        ]

    def __str__(self) -> str:
        return f"{len(self.resource_ids)} {self.resource_type} of beneficiary {self.beneficiary_id}, {self.load_id}"


class PatientIdentity(models.Model):
    """The beneficiary of a Patient: the Patient's id, in one API version."""

    pk = models.CompositePrimaryKey("version", "patient_id")
    version = models.PositiveSmallIntegerField()
    patient_id = models.CharField(max_length=64)
    beneficiary = models.ForeignKey(Beneficiary, on_delete=models.PROTECT, related_name="+")

    class Meta:
        verbose_name_plural = "patient identities"

    def __str__(self) -> str:
        return f"patient of beneficiary {self.beneficiary_id}, v{self.version}"
