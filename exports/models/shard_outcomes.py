from django.db import models

from exports.models.shard import Shard


class ShardOutcomes(models.Model):
    """What the source of a written shard could not get: lines of OperationOutcomes, deflated as the claims are.

    They are recorded with the shard's file, in one statement, and go when it is written again. When all shards of a job
    are written, they become one more file.
    """

    shard = models.OneToOneField(Shard, on_delete=models.CASCADE, related_name="outcomes")
    resource_count = models.PositiveBigIntegerField()
    raw_length = models.PositiveBigIntegerField(help_text="Bytes of NDJSON.")
    crc32 = models.BigIntegerField()
    body = models.BinaryField()

    class Meta:
        verbose_name_plural = "shard outcomes"

    def __str__(self) -> str:
        return f"outcomes of {self.shard_id}"
