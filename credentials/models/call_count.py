import datetime as dt
from collections.abc import Sequence

from django.db import connection, models

_COUNT_UP = """
INSERT INTO credentials_callcount AS counted (key, ends_at, count)
SELECT key, to_timestamp(ends_at), 1 FROM unnest(%s::text[], %s::float8[]) AS given (key, ends_at) ORDER BY key
ON CONFLICT (key, ends_at) DO UPDATE SET count = counted.count + 1
RETURNING key, count
"""


class CallCountQuerySet(models.QuerySet["CallCount"]):
    def count_up(self, windows: Sequence[tuple[str, int]]) -> list[int]:
        """Count one call in each window: a key and the second (Unix time) when it ends. Return the count of each."""
        with connection.cursor() as cursor:
            cursor.execute(_COUNT_UP, [[key for key, _ in windows], [ends for _, ends in windows]])
            counts = dict(cursor.fetchall())
        return [counts[key] for key, _ in windows]

    def over(self, now: dt.datetime) -> "CallCountQuerySet":
        return self.filter(ends_at__lt=now)


class CallCount(models.Model):
    """How many calls came in a time window, if the servers share no Redis; see credentials/access/limits.py."""

    key = models.CharField(max_length=100)
    ends_at = models.DateTimeField()
    count = models.PositiveIntegerField()

    objects = CallCountQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["key", "ends_at"], name="call_count_once")]
        indexes = [models.Index(fields=["ends_at"], name="call_count_ends")]

    def __str__(self) -> str:
        return f"{self.count} × {self.key} until {self.ends_at:%H:%M:%S} UTC"
