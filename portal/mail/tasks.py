"""Emails, sent by workers. Requests don't wait for the mail server, and the response time doesn't reveal whether an
email was sent. The tasks keep their names from when they were in portal/tasks.py: messages may be waiting under them.
"""

import logging
from typing import Any

from celery import shared_task
from django.core.mail import EmailMessage
from django.db import transaction
from kombu.exceptions import OperationalError

from credentials import notices, outbox
from credentials.isolation import isolated
from credentials.models import PersonalMail
from credentials.people import invitations
from portal.mail import emails, personal

logger = logging.getLogger(__name__)


@shared_task(name="portal.tasks.send_notices")
def send_mail() -> None:
    """Send all emails that are due, including those that failed before. First those that someone waits for."""
    with isolated("The sending of", "personal emails"):
        outbox.send_due(lambda now: PersonalMail.objects.due(now).select_related("user"), personal.send)
    with isolated("The sending of", "invitations"):
        invitations.send_due(emails.send_invitation)
    with isolated("The sending of", "notices"):
        notices.send_due(emails.send)


def send_soon() -> None:
    """Call a worker after the commit. The message names no email: the rows say which are due.

    If the broker is unavailable, they wait for the next minute in which it isn't.
    """
    transaction.on_commit(_call, robust=True)


def _call() -> None:
    try:
        send_mail.delay()
    except OperationalError as error:
        logger.warning("The broker doesn't respond (%s): an email waits until it does.", error)


# --- What processes of the release before ask for. The next release drops it. ---


@shared_task(name="portal.tasks.send_invitations")
def send_invitations() -> None:
    send_mail()


@shared_task(name="portal.tasks.send_password_reset")
def send_password_reset(*, email: str) -> None:
    personal.ask_for_password_link(email)
    send_mail()


_PATIENTLY: dict[str, Any] = {
    "autoretry_for": (OSError,),  # the library's errors are OSErrors
    "max_retries": 6,
    "retry_backoff": 20,
    "retry_jitter": False,
}


@shared_task(name="portal.tasks.deliver", **_PATIENTLY)
def deliver(*, subject: str, text: str, to: list[str]) -> None:
    """Send a finished email. It isn't stored: it may have a link."""
    EmailMessage(subject=subject, body=text, to=to, headers={"Auto-Submitted": "auto-generated"}).send()
