"""Mails, sent by workers. Nobody waits for a mail server, and the time that an answer takes does not tell whether a
mail was sent. The tasks keep the names that they had in portal/tasks.py: messages may be waiting under them.
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

# A server that does not take a mail is asked again for 20 minutes. (What its library raises is an OSError.)
PATIENTLY: dict[str, Any] = {
    "autoretry_for": (OSError,),
    "max_retries": 6,
    "retry_backoff": 20,
    "retry_jitter": False,
}


@shared_task(name="portal.tasks.send_notices")
def send_notices() -> None:
    """Send the e-mails that are due, those included that could not be sent before."""
    notices.send_due(emails.send)


@shared_task(name="portal.tasks.send_invitations")
def send_invitations() -> None:
    """Send the invitations that are due. Their links are made here only."""
    invitations.send_due(emails.send_invitation)


@shared_task(name="portal.tasks.deliver", **PATIENTLY)
def deliver(*, subject: str, text: str, to: list[str]) -> None:
    EmailMessage(subject=subject, body=text, to=to, headers={"Auto-Submitted": "auto-generated"}).send()


def hand_over(message: EmailMessage) -> None:
    """Have a worker send it; while the broker is away, it is sent here."""
    hand_over_to(deliver, subject=message.subject, text=message.body, to=message.to)


def hand_over_invitations() -> None:
    """The same for invitations: the message names none, since their rows say which are due."""
    hand_over_to(send_invitations)


def hand_over_to(task: "Task[Any, None]", **facts: Any) -> None:
    """Have a worker do a task that sends mail; while the broker is away, it is done here."""
    try:
        task.delay(**facts)
    except OperationalError as error:
        logger.warning("The broker does not answer (%s): a mail is sent without it.", error)
        try:
            task(**facts)
        except OSError:  # SMTPException is one
            logger.exception("A mail could not be sent.")
