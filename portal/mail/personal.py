"""Emails to one user about their own sign-in. Their texts are allauth's templates, which we wrote.

A link is made only when the email is written, so it is neither in the database nor in the broker.
"""

import datetime as dt
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from django.conf import settings
from django.core.mail import EmailMessage
from django.urls import reverse

from credentials import outbox
from credentials.models import PersonalMail, User
from portal.mail import links

# What a row keeps of what allauth and we have to say. Whatever else there is, such as a link or a code, is not kept.
_FACTS = frozenset({"address", "at", "browser", "provider"})


def write(kind: str, email: str, context: dict[str, Any]) -> None:
    """Write the row, in the transaction of what it tells. `context` has the user as `person` or `user`."""
    facts = {name: value for name, value in context.items() if name in _FACTS}
    if isinstance(at := facts.get("at"), dt.datetime):
        facts["at"] = at.isoformat()
    PersonalMail.objects.create(kind=kind, email=email, user=context.get("person") or context.get("user"), facts=facts)


def ask_for_password_link(email: str) -> None:
    """Write the row whether or not a user has this email address, so that nobody learns it."""
    PersonalMail.objects.create(kind=PersonalMail.PASSWORD_LINK, email=email)


def send(mail: PersonalMail) -> None:
    """Send an email through the mail server. Raises OSError if the server rejects it, and NobodyToTellError."""
    message(mail).send()


def message(mail: PersonalMail) -> EmailMessage:
    """Return the email. It keeps its Message-ID when it is sent again. Raises NobodyToTellError."""
    match mail.kind:
        case PersonalMail.PASSWORD_LINK:
            context = _of_password_link(mail)
        case PersonalMail.CONFIRMATION_LINK:
            context = _of_confirmation_link(mail)
        case _:
            context = {"person": mail.user, "account_url": settings.PUBLIC_URL + reverse("mfa_index")}
    facts = dict(mail.facts)
    if "at" in facts:
        facts["at"] = dt.datetime.fromisoformat(facts["at"])
    host = urlsplit(settings.PUBLIC_URL).hostname or "localhost"
    headers = {
        "Message-ID": f"<personal-{mail.pk}.{mail.created_at:%Y%m%d%H%M%S%f}@{host}>",
        "Auto-Submitted": "auto-generated",
    }
    to = context["person"].email if mail.kind == PersonalMail.PASSWORD_LINK else mail.email
    rendered: EmailMessage = get_adapter().render_mail(mail.kind, to, {"email": to, **context, **facts}, headers)
    return rendered


def _of_password_link(mail: PersonalMail) -> dict[str, Any]:
    user = User.objects.filter(email__iexact=mail.email, is_active=True).first()
    if user is None:
        raise outbox.NobodyToTellError
    return {"person": user, "url": links.new_password_url(user)}


def _of_confirmation_link(mail: PersonalMail) -> dict[str, Any]:
    address = EmailAddress.objects.filter(user=mail.user, email__iexact=mail.email, verified=False).first()
    if address is None:
        raise outbox.NobodyToTellError
    return {"person": mail.user, "activate_url": links.confirmation_url(EmailConfirmationHMAC(address).key)}
