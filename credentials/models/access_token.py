import datetime as dt

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from oauth2_provider.models import AbstractAccessToken

from credentials.models.client import AllowedAddress, Client, ClientSecret
from credentials.models.client_key import ClientKey, ClientKeySet


class AccessTokenQuerySet(models.QuerySet["AccessToken"]):
    def live(self) -> "AccessTokenQuerySet":
        return self.filter(revoked_at=None, expires__gt=timezone.now())

    def from_address(self, address: str) -> "AccessTokenQuerySet":
        """Add `is_from_listed_address`: whether the IP allow list of the token's client has the address."""
        listed = AllowedAddress.objects.filter(client=OuterRef("application"), address=address)
        return self.annotate(is_from_listed_address=Exists(listed))

    def revoke(self, at: dt.datetime) -> int:
        """Revoke live tokens. Return how many. Rows stay for a day, so the trail can say who still uses one."""
        return self.live().update(revoked_at=at)


class AccessToken(AbstractAccessToken):
    """A bearer token of a client. Only its SHA-256 is stored (`token_checksum`, hexadecimal).

    It knows the secret, key or key set that it was issued for, so that it ends with it.
    """

    user = None
    source_refresh_token = None
    id_token = None
    resource = ()
    token = models.TextField(default="", editable=False, help_text="Always empty. The token itself is not stored.")
    token_checksum = models.CharField(max_length=64, unique=True, editable=False)
    application = models.ForeignKey(
        Client, on_delete=models.CASCADE, related_name="access_tokens", verbose_name="client"
    )
    secret = models.ForeignKey(ClientSecret, on_delete=models.CASCADE, null=True, related_name="access_tokens")
    key = models.ForeignKey(ClientKey, on_delete=models.CASCADE, null=True, related_name="access_tokens")
    key_set = models.ForeignKey(ClientKeySet, on_delete=models.CASCADE, null=True, related_name="access_tokens")
    revoked_at = models.DateTimeField(null=True, editable=False)

    objects = AccessTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-created"]
        indexes = [models.Index(fields=["expires"], name="access_token_expires")]
        constraints = [
            models.CheckConstraint(
                condition=Q(secret__isnull=False, key=None, key_set=None)
                | Q(secret=None, key__isnull=False, key_set=None)
                | Q(secret=None, key=None, key_set__isnull=False),
                name="access_token_bought_with_one",
            )
        ]

    def __str__(self) -> str:
        return f"token of {self.application}, until {self.expires:%Y-%m-%d %H:%M:%S} UTC"

    @property
    def is_live(self) -> bool:
        return self.expires > timezone.now() and not self.is_revoked

    @property
    def is_revoked(self) -> bool:
        """True if it ended before its time, by itself or with what it was issued for."""
        bought_with = self.secret or self.key or self.key_set
        return self.revoked_at is not None or bought_with is None or bought_with.revoked_at is not None
