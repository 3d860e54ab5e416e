import datetime as dt
import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from oauth2_provider.models import AbstractApplication

from credentials.models.organization import Organization

SECRET_LIFETIME = dt.timedelta(days=90)
ADDRESSES_AT_MOST = 8


def new_client_id() -> str:
    return str(uuid.uuid4())


class ClientQuerySet(models.QuerySet["Client"]):
    def for_organization(self, organization: Organization) -> "ClientQuerySet":
        return self.filter(organization=organization)

    def live(self) -> "ClientQuerySet":
        return self.filter(revoked_at=None)

    def live_first(self) -> "ClientQuerySet":
        """Those that may be used by name, then the revoked, the latest first."""
        return self.order_by(F("revoked_at").desc(nulls_first=True), "name", "id")


class Client(AbstractApplication):
    """A system of an organization that calls the API unattended: a name, secrets and allow-listed addresses.

    It is django-oauth-toolkit's application, less all that browser logins would need: the only grant is
    client_credentials, the secrets have a table of their own.
    """

    # A client that has been authenticated is DRF's `request.user`.
    is_authenticated = True

    # The toolkit reads these of every application; ours are all alike.
    client_type = AbstractApplication.CLIENT_CONFIDENTIAL
    authorization_grant_type = AbstractApplication.GRANT_CLIENT_CREDENTIALS
    user = None
    redirect_uris = ""
    post_logout_redirect_uris = ""
    allowed_origins = ""
    client_secret = None
    hash_client_secret = False
    skip_authorization = True
    algorithm = AbstractApplication.NO_ALGORITHM
    backchannel_logout_uri = None
    registration_source = AbstractApplication.RegistrationSource.MANUAL
    cimd_expires_at = None

    client_id = models.CharField("client ID", max_length=36, unique=True, default=new_client_id, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, related_name="clients")
    name = models.CharField(max_length=64)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    revoked_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    last_used_address = models.GenericIPAddressField(null=True, unpack_ipv4=True, editable=False)

    objects = ClientQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "name"],
                condition=Q(revoked_at=None),
                name="client_name_once",
                violation_error_message="The organization has a client of this name already.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def is_usable(self, request: Any) -> bool:  # noqa: ARG002  # the toolkit's signature
        return self.revoked_at is None

    def current_secret(self) -> "ClientSecret | None":
        """The newest secret that still opens the door, or None."""
        return self.secrets.live().order_by("-created_at").first()


class ClientSecretQuerySet(models.QuerySet["ClientSecret"]):
    def live(self) -> "ClientSecretQuerySet":
        return self.filter(revoked_at=None, expires_at__gt=timezone.now())


class ClientSecret(models.Model):
    """A secret of a client, known only by its SHA-256.

    The secret is 256 random bits, so there is nothing to guess that a slow hash would protect; see
    docs/decisions/0004-secrets-are-hashed-with-sha-256.md.
    """

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="secrets")
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    hint = models.CharField(max_length=4, editable=False, help_text="The secret's last four characters.")
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)

    objects = ClientSecretQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["expires_at"], condition=Q(revoked_at=None), name="secret_expiring")]

    def __str__(self) -> str:
        return f"…{self.hint}"

    @property
    def is_live(self) -> bool:
        return self.revoked_at is None and self.expires_at > timezone.now()


class AllowedAddress(models.Model):
    """An address that a client may call from.

    A client has eight numbered slots, so that the limit is a constraint of the database and holds on every path.
    """

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="addresses")
    slot = models.PositiveSmallIntegerField(editable=False)
    address = models.GenericIPAddressField(unpack_ipv4=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        verbose_name_plural = "allowed addresses"
        ordering = ["slot"]
        constraints = [
            models.UniqueConstraint(fields=["client", "slot"], name="address_slot_once"),
            models.UniqueConstraint(fields=["client", "address"], name="address_once"),
            models.CheckConstraint(condition=Q(slot__gte=1, slot__lte=ADDRESSES_AT_MOST), name="address_slot_of_eight"),
        ]

    def __str__(self) -> str:
        return self.address
