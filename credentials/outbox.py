"""The one way that mail leaves: rows, written in the transaction of an act, sent after it, retried, each once.

Each row is sent by itself, so that a bad one does not hold up the others. See docs/decisions/0014.
"""

import datetime as dt
import logging
import smtplib
from collections.abc import Callable
from typing import TypeVar

from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from credentials.isolation import isolated
from credentials.models import OutgoingMail

FIRST_PAUSE, LONGEST_PAUSE = dt.timedelta(minutes=1), dt.timedelta(hours=1)
_PERMANENT = range(500, 600)  # SMTP codes for messages that will not be accepted later either (RFC 5321, section 4.2.1)

logger = logging.getLogger(__name__)

_Mail = TypeVar("_Mail", bound=OutgoingMail)


class NobodyToTellError(LookupError):
    """When the email was to be written, there was no one to write to. Its row is withdrawn."""


def send_due(due: Callable[[dt.datetime], "QuerySet[_Mail]"], send: Callable[[_Mail], None]) -> int:
    """Send the due emails. Return how many were sent. The others are tried again later.

    `due` returns the rows to send at a given time. Each row is locked while it is sent, so that no two workers send it.
    If a worker dies after the mail server has accepted a message and before the row says so, it is sent again with the
    same Message-ID. `send` can raise NobodyToTellError.
    """
    sent = 0
    for key in list(due(timezone.now()).order_by("pk").values_list("pk", flat=True)):
        is_sent: bool | None = False
        with isolated("The mail of row", key):
            is_sent = _send(due(timezone.now()).filter(pk=key), send)
        if is_sent is None:
            break
        sent += is_sent
    return sent


def pause_after(attempts: int) -> dt.timedelta:
    """Return how long to wait after this many failed attempts."""
    doubled: int = 2 ** min(attempts - 1, 10)
    return min(FIRST_PAUSE * doubled, LONGEST_PAUSE)


@transaction.atomic
def _send(row: "QuerySet[_Mail]", send: Callable[[_Mail], None]) -> bool | None:
    """Return whether the row's email was sent; None if the server accepts none."""
    mail = row.select_for_update(skip_locked=True, of=("self",)).first()
    if mail is None:
        return False
    if mail.is_pointless:
        mail.withdraw()
        return False
    now = timezone.now()
    mail.attempts += 1
    try:
        with transaction.atomic():
            send(mail)
    except SoftTimeLimitExceeded:
        raise
    except NobodyToTellError:
        mail.withdraw()
        return False
    except Exception as error:
        mail.next_attempt_at = now + pause_after(mail.attempts)
        mail.last_error = f"{type(error).__name__}: {error}"[:200]
        mail.save(update_fields=["attempts", "next_attempt_at", "last_error"])
        if not isinstance(error, OSError):  # smtplib's errors are subclasses of it
            logger.exception("%s %s can't be sent.", type(mail).__name__, mail.pk)
        return False if _is_about_one(error) else None
    mail.sent_at, mail.last_error = now, ""
    mail.save(update_fields=["attempts", "sent_at", "last_error"])
    return True


def _is_about_one(error: Exception) -> bool:
    """Return whether only this email is refused. A server that is down, or rejects our login, accepts no others."""
    if isinstance(error, smtplib.SMTPDataError):
        return error.smtp_code in _PERMANENT
    return not isinstance(error, OSError) or isinstance(
        error, smtplib.SMTPRecipientsRefused | smtplib.SMTPNotSupportedError
    )
