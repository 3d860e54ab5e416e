from django.db import models
from django.utils import timezone

from credentials.models import Organization
from exports.models.job import Job
from exports.models.shard import Shard


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
        help_text="Of the stored bytes, in hexadecimal. Empty until someone asks for it.",
    )
    written_at = models.DateTimeField(default=timezone.now)

    objects = OutputFileQuerySet.as_manager()

    class Meta:
        ordering = ["shard__number"]

    def __str__(self) -> str:
        return self.name
