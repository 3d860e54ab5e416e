import logging
from typing import Any

from allauth.account.adapter import get_adapter
from celery import Task, shared_task
from django.core.mail import EmailMessage
from kombu.exceptions import OperationalError

from credentials import notices
from credentials.models import User
from credentials.people import invitations
from portal import emails, sessions
from portal.password_links import new_password_url

logger = logging.getLogger(__name__)


@shared_task
def send_notices() -> None:
    """Send the e-mails that are due, those included that could not be sent before."""
    notices.send_due(emails.send)


@shared_task
def send_invitations() -> None:
    """Send the invitations that are due. Their links are made here only."""
    invitations.send_due(emails.send_invitation)


@shared_task
def forget_ended_sessions() -> None:
    sessions.forget_ended()


# --- Mails about people's own sign-in -------------------------------------------------------------------------------
# Nobody waits for a mail server, and the time that an answer takes does not tell whether a mail was sent. A server that
# does not take one is asked again for 20 minutes. (What its library raises is an OSError.)


@shared_task(autoretry_for=(OSError,), max_retries=6, retry_backoff=20, retry_jitter=False)
def deliver(*, subject: str, text: str, to: list[str]) -> None:
    EmailMessage(subject=subject, body=text, to=to, headers={"Auto-Submitted": "auto-generated"}).send()


@shared_task(autoretry_for=(OSError,), max_retries=6, retry_backoff=20, retry_jitter=False)
def send_password_reset(*, email: str) -> None:
    """A link to set a new password, if the address is that of a person who may sign in. The link is made here only."""
    user = User.objects.filter(email__iexact=email, is_active=True).first()
    if user is None:
        return
    context = {"person": user, "url": new_password_url(user)}
    get_adapter().render_mail("account/email/password_reset_key", user.email, context).send()


def hand_over(message: EmailMessage) -> None:
    """Have a worker send it; while the broker is away, it is sent here."""
    _hand_over(deliver, subject=message.subject, text=message.body, to=message.to)


def hand_over_password_reset(email: str) -> None:
    """The same for the link to a new password."""
    _hand_over(send_password_reset, email=email)


def hand_over_invitations() -> None:
    """The same for invitations: the message names none, since their rows say which are due."""
    _hand_over(send_invitations)


def _hand_over(task: "Task[Any, None]", **facts: Any) -> None:
    try:
        task.delay(**facts)
    except OperationalError as error:
        logger.warning("The broker does not answer (%s): a mail is sent without it.", error)
        try:
            task(**facts)
        except OSError:  # SMTPException is one
            logger.exception("A mail could not be sent.")
