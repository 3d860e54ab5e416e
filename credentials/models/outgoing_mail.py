import datetime as dt

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from credentials import lifetimes


class OutgoingMail(models.Model):
    """A row that is an email: written in the transaction of an act, sent after it. See credentials/outbox.py."""

    sent_at = models.DateTimeField(null=True, editable=False, help_text="When the mail server accepted the email.")
    attempts = models.PositiveIntegerField(default=0, editable=False)
    next_attempt_at = models.DateTimeField(default=timezone.now, editable=False)
    last_error = models.CharField(max_length=200, blank=True, editable=False)

    class Meta:
        abstract = True

    @property
    def is_pointless(self) -> bool:
        """Return True if it is no longer needed."""
        return False

    def withdraw(self) -> None:
        """Make sure that it is never sent."""
        raise NotImplementedError


class PersonalMailQuerySet(models.QuerySet["PersonalMail"]):
    def due(self, now: dt.datetime) -> "PersonalMailQuerySet":
        unsent = self.filter(sent_at=None, next_attempt_at__lte=now)
        is_news = Q(created_at__gt=now - lifetimes.UNSENT_MAIL)
        is_link = Q(kind__in=PersonalMail.LINKS)
        return unsent.filter(is_news & (~is_link | Q(created_at__gt=now - lifetimes.UNSENT_LINK)))

    def over(self, now: dt.datetime) -> "PersonalMailQuerySet":
        """Emails that were sent, or are no longer tried."""
        return self.filter(created_at__lte=now - lifetimes.UNSENT_MAIL)


class PersonalMail(OutgoingMail):
    """An email to one user about their own sign-in. Never holds a link: that is made when the email is written.

    Anyone can ask for a password link for any email address. The worker looks up whether there is such a user, so that
    the response, and its time, are the same.
    """

    PASSWORD_LINK = "account/email/password_reset_key"  # noqa: S105  # the name of a template
    CONFIRMATION_LINK = "account/email/email_confirmation"
    LINKS = (PASSWORD_LINK, CONFIRMATION_LINK)

    kind = models.CharField(max_length=64, help_text="The templates of its subject and its text.")
    email = models.EmailField("email address", max_length=320)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+")
    facts = models.JSONField(default=dict, help_text="What the email says, as it was at the time. Never a secret.")
    created_at = models.DateTimeField(default=timezone.now)

    objects = PersonalMailQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=Q(sent_at=None), name="personal_mail_unsent"),
            models.Index(fields=["created_at"], name="personal_mail_created"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}, {self.created_at:%Y-%m-%d %H:%M:%S} UTC"

    def withdraw(self) -> None:
        self.delete()
