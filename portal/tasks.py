import logging
from typing import Any

from allauth.account.adapter import get_adapter
from celery import Task, shared_task
from django.core.mail import EmailMessage
from kombu.exceptions import OperationalError

from credentials import invitations, notices
from credentials.models import User
from portal import emails, sessions
from portal.password_links import new_password_url

logger = logging.getLogger(__name__)


@shared_task
def send_notices() -> None:
    """Send the emails that are due, including those that failed before."""
    notices.send_due(emails.send)


@shared_task
def send_invitations() -> None:
    """Send the invitations that are due. Their links are created only here."""
    invitations.send_due(emails.send_invitation)


@shared_task
def forget_ended_sessions() -> None:
    sessions.forget_ended()


# --- Emails about the user's sign-in --------------------------------------------------------------------------------
# Requests don't wait for the mail server, and the response time doesn't reveal whether an email was sent. If the mail
# server rejects an email, it is retried for 20 minutes. (The library's errors are OSErrors.)


@shared_task(autoretry_for=(OSError,), max_retries=6, retry_backoff=20, retry_jitter=False)
def deliver(*, subject: str, text: str, to: list[str]) -> None:
    EmailMessage(subject=subject, body=text, to=to, headers={"Auto-Submitted": "auto-generated"}).send()


@shared_task(autoretry_for=(OSError,), max_retries=6, retry_backoff=20, retry_jitter=False)
def send_password_reset(*, email: str) -> None:
    """Email a link to set a new password if an active user has this email address. Only here is it created."""
    user = User.objects.filter(email__iexact=email, is_active=True).first()
    if user is None:
        return
    context = {"person": user, "url": new_password_url(user)}
    get_adapter().render_mail("account/email/password_reset_key", user.email, context).send()


def hand_over(message: EmailMessage) -> None:
    """Have a worker send it. If the broker is unavailable, send it here."""
    _hand_over(deliver, subject=message.subject, text=message.body, to=message.to)


def hand_over_password_reset(email: str) -> None:
    """Do the same for the link to a new password."""
    _hand_over(send_password_reset, email=email)


def hand_over_invitations() -> None:
    """Do the same for invitations. The message names none, since their rows say which are due."""
    _hand_over(send_invitations)


def _hand_over(task: "Task[Any, None]", **facts: Any) -> None:
    try:
        task.delay(**facts)
    except OperationalError as error:
        logger.warning("The broker doesn't respond (%s): an email is sent without it.", error)
        try:
            task(**facts)
        except OSError:  # SMTPException is one
            logger.exception("An email could not be sent.")
