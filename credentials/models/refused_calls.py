import datetime as dt

from django.db import models
from django.utils import timezone

from credentials.models.client import Client

MINUTE = dt.timedelta(minutes=1)


class RefusedCallsQuerySet(models.QuerySet["RefusedCalls"]):
    def of_past_minutes(self) -> "RefusedCallsQuerySet":
        """Rows that no longer change: calls from the end of the minute have had another minute to arrive."""
        return self.filter(minute__lt=timezone.now() - 2 * MINUTE)


class RefusedCalls(models.Model):
    """How often calls of a client were refused in one minute, for one reason, from one IP address.

    The audit trail has an event for the first call, and gets one for all others when the minute is over. So it grows by
    two events a minute, however often someone calls. Rows are deleted after that.
    """

    client = models.ForeignKey(Client, on_delete=models.CASCADE, null=True, related_name="+")
    action = models.CharField(max_length=48)
    reason = models.CharField(max_length=48)
    address = models.GenericIPAddressField(null=True, unpack_ipv4=True)
    minute = models.DateTimeField()
    count = models.PositiveIntegerField(default=1)

    objects = RefusedCallsQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "refused calls"
        constraints = [
            models.UniqueConstraint(
                fields=["client", "action", "reason", "address", "minute"],
                nulls_distinct=False,
                name="refused_calls_once",
            )
        ]
        indexes = [models.Index(fields=["minute"], name="refused_calls_of_minute")]

    def __str__(self) -> str:
        return f"{self.count} × {self.reason} at {self.minute:%Y-%m-%d %H:%M} UTC"
