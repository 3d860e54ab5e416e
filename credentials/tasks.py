import datetime as dt

from celery import shared_task
from django.utils import timezone

from credentials import notices
from credentials.isolation import isolated
from credentials.models import AccessToken, CallCount, SpentAssertion
from credentials.people import invitations
from credentials.trail import refusals

# Long enough that a client which comes with an old token is told that it has expired, not that it never was.
TOKENS_REMEMBERED = dt.timedelta(days=1)


@shared_task
def forget_ended_tokens() -> None:
    """Delete the rows of tokens that ended a day ago, and what was counted or kept until times that are over."""
    now = timezone.now()
    for over in (
        AccessToken.objects.filter(expires__lt=now - TOKENS_REMEMBERED),
        SpentAssertion.objects.over(now),
        CallCount.objects.over(now),
    ):
        with isolated("The cleanup of", over.model.__name__):
            over.delete()


@shared_task
def forget_expired_invitations() -> None:
    invitations.forget_expired()


@shared_task
def write_down_refusals() -> None:
    """Tell the audit trail how many more calls were refused in minutes that are over."""
    refusals.write_down_past_minutes()


@shared_task
def write_reminders() -> None:
    """Write down which reminders are due; portal.tasks sends them."""
    notices.write_reminders()
