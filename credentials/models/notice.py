import datetime as dt

from django.conf import settings
from django.db import models
from django.utils import timezone

from credentials import lifetimes
from credentials.models.client import Client, ClientSecret
from credentials.models.organization import Organization
from credentials.models.outgoing_mail import OutgoingMail


class NoticeQuerySet(models.QuerySet["Notice"]):
    def due(self, now: dt.datetime) -> "NoticeQuerySet":
        return self.filter(
            sent_at=None, withdrawn_at=None, next_attempt_at__lte=now, created_at__gt=now - lifetimes.UNSENT_MAIL
        )


class Notice(OutgoingMail):
    """A message to one user about one thing. The row exists once, whoever looks."""

    class Kind(models.TextChoices):
        ADDRESSES_CHANGED = "addresses_changed"
        CLIENT_CREATED = "client_created"
        CLIENT_REVOKED = "client_revoked"
        CLIENT_UNUSED = "client_unused"
        MEMBER_JOINED = "member_joined"
        MEMBER_REMOVED = "member_removed"
        MEMBERSHIP_ENDED = "membership_ended"
        ROSTER_NEEDS_APPROVAL = "roster_needs_approval"
        ROSTER_PUBLISHED = "roster_published"
        ROSTER_REFUSED = "roster_refused"
        SECRET_CREATED = "secret_created"  # noqa: S105  # the name of a message
        SECRET_EXPIRED = "secret_expired"  # noqa: S105  # the name of a message
        SECRET_EXPIRING = "secret_expiring"  # noqa: S105  # the name of a message
        SECRET_REVOKED = "secret_revoked"  # noqa: S105  # the name of a message
        SECRET_ROTATED = "secret_rotated"  # noqa: S105  # the name of a message

    kind = models.CharField(max_length=24, choices=Kind.choices)
    subject = models.CharField(max_length=64, help_text="The event or the time that it is about.")
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    client = models.ForeignKey(Client, on_delete=models.CASCADE, null=True, related_name="+")
    secret = models.ForeignKey(ClientSecret, on_delete=models.CASCADE, null=True, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    facts = models.JSONField(default=dict, help_text="What the message says, as it was at the time. Never a secret.")
    created_at = models.DateTimeField(default=timezone.now)
    withdrawn_at = models.DateTimeField(null=True, help_text="When it was no longer useful, before it was sent.")

    objects = NoticeQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "kind", "subject"], name="notice_once")]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=models.Q(sent_at=None, withdrawn_at=None),
                name="notice_unsent",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.user}"

    def withdraw(self) -> None:
        self.withdrawn_at = timezone.now()
        self.save(update_fields=["withdrawn_at"])

    @property
    def is_pointless(self) -> bool:
        """Return True for a reminder that is no longer needed."""
        client = self.client
        if client is None:
            return False
        if self.kind == self.Kind.CLIENT_UNUSED:
            last_used_at = client.last_used_at
            return client.revoked_at is not None or (last_used_at is not None and last_used_at > self.created_at)
        if self.kind in {self.Kind.SECRET_EXPIRING, self.Kind.SECRET_EXPIRED}:
            secret = self.secret
            return (
                secret is None
                or secret.revoked_at is not None
                or secret.replaced_at is not None
                or client.revoked_at is not None
            )
        return False
