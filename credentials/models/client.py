import datetime as dt
import uuid
from typing import Any, assert_never

from django.conf import settings
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from oauth2_provider.models import AbstractApplication

from credentials import lifetimes
from credentials.models.organization import Organization

SECRETS_AT_MOST = 2
ADDRESSES_AT_MOST = 8


class ClientRevokedError(ValueError):
    """A revoked client can't be changed."""

    def __init__(self, client: "Client") -> None:
        super().__init__(f"“{client.name}” is revoked. You can't change it any more. Create a new client.")


def new_client_id() -> str:
    return str(uuid.uuid4())


class ClientQuerySet(models.QuerySet["Client"]):
    def for_organization(self, organization: Organization) -> "ClientQuerySet":
        return self.filter(organization=organization)

    def live(self) -> "ClientQuerySet":
        return self.filter(revoked_at=None)

    def locked(self, client: "Client") -> "Client":
        """Return the current row, locked: users who change a client at the same time come one after the other.

        Raises ClientRevokedError. To lock secrets or tokens as well, lock the client first.
        """
        found = self.select_for_update(no_key=True, of=("self",)).select_related("organization").get(pk=client.pk)
        if found.revoked_at is not None:
            raise ClientRevokedError(found)
        return found

    def in_state(self, state: "Client.State", now: dt.datetime | None = None) -> "ClientQuerySet":
        """Clients whose `Client.state` is this one. A test compares both for everything that a client can have."""
        if state == Client.State.REVOKED:
            return self.exclude(revoked_at=None)
        now, live = now or timezone.now(), self.live()
        has_key = _has(keys__isnull=False, keys__revoked_at=None) | _has(
            key_sets__isnull=False, key_sets__revoked_at=None
        )
        has_secret = _has(secrets__slot__isnull=False, secrets__expires_at__gt=now)
        has_lasting_secret = _has(secrets__slot__isnull=False, secrets__expires_at__gt=now + lifetimes.EXPIRES_SOON)
        match state:
            case Client.State.ACTIVE:
                return live.filter(has_key | has_lasting_secret)
            case Client.State.EXPIRING:
                return live.filter(has_secret, ~has_key, ~has_lasting_secret)
            case Client.State.EXPIRED:
                return live.filter(~has_key, ~has_secret)
            case _:
                assert_never(state)

    def live_first(self) -> "ClientQuerySet":
        """Active clients by name, then revoked ones, the latest first."""
        return self.order_by(F("revoked_at").desc(nulls_first=True), "name", "id")


class Client(AbstractApplication):
    """A system of an organization that calls the API unattended: a name, secrets and an IP allow list.

    It is django-oauth-toolkit's application without the parts for browser logins: the only grant is client_credentials,
    and secrets have their own table.
    """

    class State(models.TextChoices):
        ACTIVE = "active", "Active"
        EXPIRING = "expiring", "Expires soon"
        EXPIRED = "expired", "Expired"
        REVOKED = "revoked", "Revoked"

    # A client that has been authenticated is DRF's `request.user`.
    is_authenticated = True

    # The toolkit reads these from every application. Ours are all alike.
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
    failed_attempts = models.PositiveIntegerField(
        default=0, editable=False, help_text="How many calls with this client's ID or token were ever refused."
    )
    last_failed_at = models.DateTimeField(null=True, editable=False)
    last_failed_address = models.GenericIPAddressField(null=True, unpack_ipv4=True, editable=False)

    objects = ClientQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "name"],
                condition=Q(revoked_at=None),
                name="client_name_once",
                violation_error_message="The organization already has a client with this name.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def is_usable(self, request: Any) -> bool:  # noqa: ARG002  # the toolkit's signature
        return self.revoked_at is None

    @property
    def has_key(self) -> bool:
        """Whether it can sign in with a key. Keys don't expire."""
        return any(key.revoked_at is None for key in (*self.keys.all(), *self.key_sets.all()))

    @property
    def state(self) -> State:
        """Return the client's state. For many clients, prefetch `secrets`, `keys` and `key_sets`.

        It is about the client alone: whether its organization has access, the gate says. `in_state` finds by it.
        """
        if self.revoked_at is not None:
            return self.State.REVOKED
        if self.has_key:
            return self.State.ACTIVE
        ends = [secret.expires_at for secret in self.secrets.all() if secret.is_live]
        if not ends:
            return self.State.EXPIRED
        return self.State.EXPIRING if max(ends) <= timezone.now() + lifetimes.EXPIRES_SOON else self.State.ACTIVE


def _has(**related: Any) -> Exists:
    """Return whether a client has a related row for which all of this holds."""
    return Exists(Client.objects.filter(pk=OuterRef("pk"), **related))


class ClientSecretQuerySet(models.QuerySet["ClientSecret"]):
    def live(self, at: dt.datetime | None = None) -> "ClientSecretQuerySet":
        """Secrets that work now, or will still work at `moment` if nothing changes."""
        return self.filter(slot__isnull=False, expires_at__gt=at or timezone.now())

    def expiring(self, until: dt.datetime, *, now: dt.datetime | None = None) -> "ClientSecretQuerySet":
        """Secrets that expire by then, or have expired, and were not rotated; the next to expire first."""
        now = now or timezone.now()
        undone = self.filter(expires_at__lte=until, revoked_at=None, replaced_at=None, client__revoked_at=None)
        newer = ClientSecret.objects.filter(client=OuterRef("client"), expires_at__gt=OuterRef("expires_at")).live(now)
        has_ended = Q(expires_at__lte=now)
        return undone.exclude(has_ended & Exists(newer)).order_by("expires_at", "pk")

    def imported(self) -> "ClientSecretQuerySet":
        """Secrets from the SSAS that have not been used here yet."""
        return self.filter(digest=None)


class ClientSecret(models.Model):
    """A secret of a client. Only its SHA-256 is stored.

    The secret is 256 random bits, so it can't be guessed and needs no slow hash; see
    docs/decisions/0004-secrets-are-hashed-with-sha-256.md. A secret works only while it has one of its client's two
    slots, so that “two at most” is a constraint of the database; see docs/decisions/0011.
    """

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="secrets")
    slot = models.PositiveSmallIntegerField(null=True, editable=False)
    digest = models.BinaryField(max_length=32, unique=True, null=True, editable=False)
    imported_hash = models.CharField(
        max_length=300,
        blank=True,
        editable=False,
        help_text="The SSAS's slow hash. At the first use, the digest replaces it.",
    )
    hint = models.CharField(
        max_length=4, blank=True, editable=False, help_text="The secret's last four characters, if known."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    expires_at = models.DateTimeField()
    replaced_at = models.DateTimeField(
        null=True, editable=False, help_text="When a newer secret replaced it. It expires at the end of the overlap."
    )
    revoked_at = models.DateTimeField(null=True, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)

    objects = ClientSecretQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["expires_at"], condition=Q(revoked_at=None), name="secret_expiring")]
        constraints = [
            models.CheckConstraint(
                condition=Q(digest__isnull=False, imported_hash="") | (Q(digest=None) & ~Q(imported_hash="")),
                name="secret_has_one_hash",
            ),
            models.UniqueConstraint(fields=["client", "slot"], name="secret_slot_once"),
            models.CheckConstraint(condition=Q(slot__gte=1, slot__lte=SECRETS_AT_MOST), name="secret_slot_of_two"),
            models.CheckConstraint(condition=Q(revoked_at=None) | Q(slot=None), name="secret_revoked_holds_no_slot"),
        ]

    def __str__(self) -> str:
        return f"…{self.hint}"

    @property
    def is_live(self) -> bool:
        return self.slot is not None and self.expires_at > timezone.now()


class AllowedAddress(models.Model):
    """An IP address that a client can call from.

    A client has eight numbered slots, so that the limit is a constraint of the database and always holds.
    """

    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="addresses")
    slot = models.PositiveSmallIntegerField(editable=False)
    address = models.GenericIPAddressField(unpack_ipv4=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    class Meta:
        verbose_name_plural = "allowed IP addresses"
        ordering = ["slot"]
        constraints = [
            models.UniqueConstraint(fields=["client", "slot"], name="address_slot_once"),
            models.UniqueConstraint(fields=["client", "address"], name="address_once"),
            models.CheckConstraint(condition=Q(slot__gte=1, slot__lte=ADDRESSES_AT_MOST), name="address_slot_of_eight"),
        ]

    def __str__(self) -> str:
        return self.address
