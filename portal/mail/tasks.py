"""Emails, sent by workers. Requests don't wait for the mail server, and the response time doesn't reveal whether an
email was sent. The tasks keep their names from when they were in portal/tasks.py: messages may be waiting under them.
"""

import logging
from typing import Any

from celery import Task, shared_task
from django.core.mail import EmailMessage
from kombu.exceptions import OperationalError

from credentials import notices
from credentials.people import invitations
from portal.mail import emails

logger = logging.getLogger(__name__)

# If the mail server rejects an email, it is retried for 20 minutes. (The library's errors are OSErrors.)
PATIENTLY: dict[str, Any] = {
    "autoretry_for": (OSError,),
    "max_retries": 6,
    "retry_backoff": 20,
    "retry_jitter": False,
}


@shared_task(name="portal.tasks.send_notices")
def send_notices() -> None:
    """Send the emails that are due, including those that failed before."""
    notices.send_due(emails.send)


@shared_task(name="portal.tasks.send_invitations")
def send_invitations() -> None:
    """Send the invitations that are due. Their links are created only here."""
    invitations.send_due(emails.send_invitation)


@shared_task(name="portal.tasks.deliver", **PATIENTLY)
def deliver(*, subject: str, text: str, to: list[str]) -> None:
    EmailMessage(subject=subject, body=text, to=to, headers={"Auto-Submitted": "auto-generated"}).send()


def hand_over(message: EmailMessage) -> None:
    """Have a worker send it. If the broker is unavailable, send it here."""
    hand_over_to(deliver, subject=message.subject, text=message.body, to=message.to)


def hand_over_invitations() -> None:
    """Do the same for invitations. The message names none, since their rows say which are due."""
    hand_over_to(send_invitations)


def hand_over_to(task: "Task[Any, None]", **facts: Any) -> None:
    """Have a worker run a task that sends email. If the broker is unavailable, run it here."""
    try:
        task.delay(**facts)
    except OperationalError as error:
        logger.warning("The broker doesn't respond (%s): an email is sent without it.", error)
        try:
            task(**facts)
        except OSError:  # SMTPException is one
            logger.exception("An email could not be sent.")
