import datetime as dt

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from credentials.models.client import Client

KEYS_AT_MOST = 8


class ClientKeyQuerySet(models.QuerySet["ClientKey"]):
    def live(self) -> "ClientKeyQuerySet":
        return self.filter(revoked_at=None)


class ClientKey(models.Model):
    """A public key that a delegate pasted. It verifies the client's signatures."""

    class Algorithm(models.TextChoices):
        ES384 = "ES384", "ES384 (EC, P-384)"
        RS384 = "RS384", "RS384 (RSA)"

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="keys")
    name = models.CharField(max_length=64)
    kid = models.CharField("key ID", max_length=200)
    algorithm = models.CharField(max_length=8, choices=Algorithm.choices, editable=False)
    bits = models.PositiveSmallIntegerField(editable=False)
    jwk = models.JSONField("JWK", editable=False, help_text="Only the members that make up the public key.")
    thumbprint = models.CharField(max_length=43, editable=False, help_text="The JWK thumbprint (RFC 7638, SHA-256).")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    revoked_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)

    objects = ClientKeyQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["client", "kid"], condition=Q(revoked_at=None), name="key_id_once"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_live(self) -> bool:
        return self.revoked_at is None


class ClientKeySetQuerySet(models.QuerySet["ClientKeySet"]):
    def live(self) -> "ClientKeySetQuerySet":
        return self.filter(revoked_at=None)


class ClientKeySet(models.Model):
    """The URL where a client publishes its public keys. A client has one at a time. Another URL is another row."""

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="key_sets")
    url = models.URLField("URL", max_length=500)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    revoked_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)

    objects = ClientKeySetQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [models.UniqueConstraint(fields=["client"], condition=Q(revoked_at=None), name="key_set_once")]

    def __str__(self) -> str:
        return self.url


class SpentAssertionQuerySet(models.QuerySet["SpentAssertion"]):
    def over(self, now: dt.datetime) -> "SpentAssertionQuerySet":
        """Used assertions that have expired, and so can be forgotten."""
        return self.filter(expires_at__lt=now)


class SpentAssertion(models.Model):
    """A used assertion. The row can be written once, on any node. That prevents replays.

    Only the SHA-256 of the assertion's `jti` is stored.
    """

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="+")
    jti_digest = models.BinaryField(max_length=32, editable=False)
    expires_at = models.DateTimeField()

    objects = SpentAssertionQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["client", "jti_digest"], name="assertion_once")]
        indexes = [models.Index(fields=["expires_at"], name="spent_assertion_expires")]

    def __str__(self) -> str:
        return f"an assertion of {self.client}, until {self.expires_at:%Y-%m-%d %H:%M:%S} UTC"
