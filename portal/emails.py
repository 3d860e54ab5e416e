"""The e-mails to an organization's delegates, one function a message. None holds a secret.

The words stand in templates/emails/. A message tells what was so when its notice was written; only how far off a day
is, is reckoned when it is sent.
"""

import datetime as dt
from collections.abc import Callable
from email.headerregistry import Address
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse

from credentials.models import Notice

Kind = Notice.Kind


def send(notice: Notice) -> None:
    """Hand a notice to the mail server. Raises OSError when it does not take it."""
    MESSAGE_OF[Kind(notice.kind)](notice).send()


def addresses_changed(notice: Notice) -> EmailMultiAlternatives:
    return _message(notice, f"The allowed addresses of {notice.client.name} were changed")


def client_created(notice: Notice) -> EmailMultiAlternatives:
    return _message(notice, f"A client was created: {notice.client.name}")


def client_revoked(notice: Notice) -> EmailMultiAlternatives:
    return _message(notice, f"{notice.client.name} was revoked")


def client_unused(notice: Notice) -> EmailMultiAlternatives:
    return _message(notice, f"{notice.client.name} is not used")


def secret_created(notice: Notice) -> EmailMultiAlternatives:
    return _message(notice, f"{notice.client.name} got one more secret")


def secret_expired(notice: Notice) -> EmailMultiAlternatives:
    return _message(notice, f"The secret of {notice.client.name} has expired")


def secret_expiring(notice: Notice) -> EmailMultiAlternatives:
    return _message(notice, f"The secret of {notice.client.name} expires on {notice.facts['expires_at'][:10]}")


def secret_revoked(notice: Notice) -> EmailMultiAlternatives:
    return _message(notice, f"A secret of {notice.client.name} was revoked")


def secret_rotated(notice: Notice) -> EmailMultiAlternatives:
    return _message(notice, f"{notice.client.name} got a new secret")


MESSAGE_OF: dict[Notice.Kind, Callable[[Notice], EmailMultiAlternatives]] = {
    Kind.ADDRESSES_CHANGED: addresses_changed,
    Kind.CLIENT_CREATED: client_created,
    Kind.CLIENT_REVOKED: client_revoked,
    Kind.CLIENT_UNUSED: client_unused,
    Kind.SECRET_CREATED: secret_created,
    Kind.SECRET_EXPIRED: secret_expired,
    Kind.SECRET_EXPIRING: secret_expiring,
    Kind.SECRET_REVOKED: secret_revoked,
    Kind.SECRET_ROTATED: secret_rotated,
}


def _message(notice: Notice, words: str) -> EmailMultiAlternatives:
    """The message in both forms. It keeps its Message-ID when it has to be sent again, so that mailboxes can tell."""
    # A name may hold a line break, and a subject may not.
    subject = f"{' '.join(words.split())} ({notice.organization.entity_id})"
    path = reverse("portal:client", args=[notice.organization.entity_id, notice.client.client_id])
    context = {
        "subject": subject,
        "person": notice.user.name or notice.user.email,
        "organization": notice.organization,
        "client": notice.client,
        "facts": {name: _moment(value) if name.endswith("_at") else value for name, value in notice.facts.items()},
        "url": settings.PUBLIC_URL + path,
    }
    host = urlsplit(settings.PUBLIC_URL).hostname or "localhost"
    message = EmailMultiAlternatives(
        subject=subject,
        body=render_to_string(f"emails/{notice.kind}.txt", context),
        to=[_recipient(notice)],
        headers={
            "Message-ID": f"<notice-{notice.pk}.{notice.created_at:%Y%m%d%H%M%S%f}@{host}>",
            "Auto-Submitted": "auto-generated",
        },
    )
    message.attach_alternative(render_to_string(f"emails/{notice.kind}.html", context), "text/html")
    return message


def _recipient(notice: Notice) -> str:
    return str(Address(" ".join(notice.user.name.split()), addr_spec=notice.user.email))


def _moment(text: Any) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if text else None
