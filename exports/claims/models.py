from django.db import models
from django.utils import timezone

from attribution.models import Beneficiary


class Load(models.Model):
    """Claims that arrived together. A load is there whole or not at all, and loads follow each other one by one.

    `loaded_at` is the `meta.lastUpdated` of every resource that it brought.
    """

    id = models.BigAutoField(primary_key=True)
    source = models.CharField(max_length=200, help_text="Where the claims came from, in words.")
    loaded_at = models.DateTimeField(default=timezone.now)
    resource_count = models.PositiveBigIntegerField(default=0)
    raw_length = models.PositiveBigIntegerField("bytes", default=0, help_text="NDJSON bytes before compression.")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"load {self.pk}: {self.source}"


class Chunk(models.Model):
    """The resources of one type of one beneficiary, in one API version, with one `lastUpdated`.

    `body` is NDJSON, deflated into raw blocks that end on a byte and are not the last, so that bodies can be joined
    without being read; see exports/claims/splice.py.

    A row never changes but for `superseded_by`: when a later load replaces some of its resources, the rest is written
    as a new row of that load. So any past state can still be exported, and a load can be taken back.
    """

    pk = models.CompositePrimaryKey("version", "resource_type", "beneficiary_id", "load_id", "last_updated")
    version = models.PositiveSmallIntegerField(help_text="The API version: 2 is R4.")
    resource_type = models.CharField(max_length=32)
    beneficiary = models.ForeignKey(Beneficiary, on_delete=models.PROTECT, related_name="+", db_index=False)
    load = models.ForeignKey(
        Load, on_delete=models.PROTECT, related_name="chunks", help_text="Visible from this load on."
    )
    superseded_by = models.ForeignKey(
        Load, on_delete=models.PROTECT, null=True, related_name="superseded", help_text="Visible before this load only."
    )
    last_updated = models.DateTimeField()
    first_service_date = models.DateField(null=True)
    last_service_date = models.DateField(null=True)
    resource_count = models.PositiveIntegerField()
    raw_length = models.PositiveIntegerField(help_text="Bytes of NDJSON before compression.")
    crc32 = models.BigIntegerField(help_text="CRC-32 of the NDJSON.")
    body = models.BinaryField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version", "resource_type", "beneficiary", "last_updated"],
                condition=models.Q(superseded_by=None),
                name="chunk_current_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.resource_count} {self.resource_type} of beneficiary {self.beneficiary_id}, v{self.version}"
