from celery import shared_task
from django.utils import timezone

from credentials import lifetimes, notices
from credentials.isolation import isolated
from credentials.models import AccessToken, CallCount, PersonalMail, SpentAssertion
from credentials.people import invitations
from credentials.trail import refusals


@shared_task
def forget_ended_tokens() -> None:
    """Delete tokens that ended a day ago, and counts, records and personal emails whose time is over."""
    now = timezone.now()
    for over in (
        AccessToken.objects.filter(expires__lt=now - lifetimes.ENDED_TOKEN),
        SpentAssertion.objects.over(now),
        CallCount.objects.over(now),
        PersonalMail.objects.over(now),
    ):
        with isolated("The cleanup of", over.model.__name__):
            over.delete()


@shared_task
def forget_expired_invitations() -> None:
    invitations.forget_expired()


@shared_task
def write_down_refusals() -> None:
    """Write events for refused calls of minutes that are over."""
    refusals.write_down_past_minutes()


@shared_task
def write_reminders() -> None:
    """Record which reminders are due; portal/mail/tasks.py sends them."""
    notices.write_reminders()
