import datetime as dt
import secrets

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from credentials.models.organization import Organization, Role
from credentials.models.outgoing_mail import OutgoingMail


def new_nonce() -> str:
    return secrets.token_urlsafe(32)


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def for_organization(self, organization: Organization) -> "InvitationQuerySet":
        return self.filter(organization=organization)

    def open(self) -> "InvitationQuerySet":
        """Invitations neither accepted nor withdrawn. Expired ones are included: they can be sent again."""
        return self.filter(accepted_at=None, withdrawn_at=None)

    def due(self, now: dt.datetime) -> "InvitationQuerySet":
        """Invitations whose email has not been sent yet and can be tried now."""
        return self.open().filter(sent_at=None, expires_at__gt=now, next_attempt_at__lte=now)


class Invitation(OutgoingMail):
    """An invitation of a user to an organization. The link is not stored: it is signed when the email is written.

    The user's data is deleted when the invitation is over. Users who joined have a membership.
    """

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField("email address", blank=True)
    name = models.CharField(max_length=150, blank=True)
    role = models.CharField(max_length=24, choices=Role.choices)
    nonce = models.CharField(
        max_length=43,
        default=new_nonce,
        editable=False,
        help_text="Part of the link. Sending the invitation again changes it.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    expires_at = models.DateTimeField(editable=False)
    accepted_at = models.DateTimeField(null=True, editable=False)
    accepted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")
    withdrawn_at = models.DateTimeField(null=True, editable=False)
    withdrawn_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+")

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                "organization",
                Lower("email"),
                condition=Q(accepted_at=None, withdrawn_at=None),
                name="invitation_open_once",
                violation_error_message="This email address already has an open invitation to the organization.",
            ),
            models.CheckConstraint(
                condition=Q(accepted_at=None) | Q(withdrawn_at=None), name="invitation_ends_in_one_way"
            ),
            models.CheckConstraint(
                condition=(Q(accepted_at=None, withdrawn_at=None) & ~Q(email=""))
                | (~Q(accepted_at=None, withdrawn_at=None) & Q(email="", name="")),
                name="invitation_forgets_the_person",
            ),
        ]

    def __str__(self) -> str:
        return f"invitation {self.pk} to {self.organization.entity_id} as {self.get_role_display()}"

    @property
    def is_open(self) -> bool:
        return self.accepted_at is None and self.withdrawn_at is None

    @property
    def has_expired(self) -> bool:
        return self.expires_at <= timezone.now()

    def is_for(self, email: str) -> bool:
        """Return whether it was sent to this email address. These are ASCII, so only the case can differ."""
        return bool(self.email) and self.email.lower() == email.lower()
