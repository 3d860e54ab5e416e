"""The emails to an organization's delegates, one function per message. Only an invitation contains a secret: its link.

The texts are in templates/emails/. A message says what was true when its notice was written. Only distances such as “in
7 days” are computed when it is sent.
"""

import datetime as dt
from email.headerregistry import Address
from typing import Any, assert_never
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.http import urlencode

from credentials.models import Invitation, Notice, Organization
from credentials.people import invitations
from portal.words.times import day

Kind = Notice.Kind


def send(notice: Notice) -> None:
    """Send a notice through the mail server. Raises OSError if the server rejects it."""
    of_notice(notice).send()


def addresses_changed(notice: Notice) -> EmailMultiAlternatives:
    return _message(notice, f"The IP allow list of {notice.client} was changed")


def client_created(notice: Notice) -> EmailMultiAlternatives:
    return _message(notice, f"A client was created: {notice.client}")


def client_revoked(notice: Notice) -> EmailMultiAlternatives:
    return _message(notice, f"{notice.client} was revoked")


def client_unused(notice: Notice) -> EmailMultiAlternatives:
    return _message(notice, f"{notice.client} is not being used")


def member_joined(notice: Notice) -> EmailMultiAlternatives:
    return _message(notice, f"{notice.facts['member']} joined {notice.organization.name}")


def member_removed(notice: Notice) -> EmailMultiAlternatives:
    return _message(notice, f"{notice.facts['member']} was removed from {notice.organization.name}")


def membership_ended(notice: Notice) -> EmailMultiAlternatives:
    return _message(notice, f"You are no longer a team member of {notice.organization.name}")


def roster_needs_approval(notice: Notice) -> EmailMultiAlternatives:
    return _message(notice, "A roster is waiting for your approval")


def roster_published(notice: Notice) -> EmailMultiAlternatives:
    return _message(notice, "A roster was published")


def roster_refused(notice: Notice) -> EmailMultiAlternatives:
    return _message(notice, "A roster was refused")


def secret_created(notice: Notice) -> EmailMultiAlternatives:
    return _message(notice, f"A secret was created for {notice.client}")


def secret_expired(notice: Notice) -> EmailMultiAlternatives:
    return _message(notice, f"The secret for {notice.client} has expired")


def secret_expiring(notice: Notice) -> EmailMultiAlternatives:
    return _message(notice, f"The secret for {notice.client} expires on {day(_moment(notice.facts['expires_at']))}")


def secret_revoked(notice: Notice) -> EmailMultiAlternatives:
    return _message(notice, f"A secret for {notice.client} was revoked")


def secret_rotated(notice: Notice) -> EmailMultiAlternatives:
    return _message(notice, f"The secret for {notice.client} was rotated")


def invitation(invited: Invitation) -> EmailMultiAlternatives:
    """Return the only email with the link. It names only the inviter: the invited person's name wasn't checked."""
    link = urlencode({"link": invitations.token_of(invited)})
    by = invited.invited_by
    context = {
        "subject": _subject(f"You are invited to join {invited.organization.name}", invited.organization),
        "organization": invited.organization,
        "role": invited.get_role_display(),
        "by": (by.name or by.email) if by else None,
        "expires_at": invited.expires_at,
        "url": f"{settings.PUBLIC_URL}{reverse('invitation')}?{link}",
    }
    name = f"invitation-{invited.pk}.{invited.expires_at:%Y%m%d%H%M%S%f}"
    return _mail("invitation", context, to=_recipient(invited.name, invited.email), message_id=name)


def send_invitation(invited: Invitation) -> None:
    """Send an invitation through the mail server. Raises OSError if the server rejects it."""
    invitation(invited).send()


def of_notice(notice: Notice) -> EmailMultiAlternatives:  # noqa: C901, PLR0911, PLR0912  # a table
    kind = Kind(notice.kind)
    match kind:
        case Kind.ADDRESSES_CHANGED:
            return addresses_changed(notice)
        case Kind.CLIENT_CREATED:
            return client_created(notice)
        case Kind.CLIENT_REVOKED:
            return client_revoked(notice)
        case Kind.CLIENT_UNUSED:
            return client_unused(notice)
        case Kind.MEMBER_JOINED:
            return member_joined(notice)
        case Kind.MEMBER_REMOVED:
            return member_removed(notice)
        case Kind.MEMBERSHIP_ENDED:
            return membership_ended(notice)
        case Kind.ROSTER_NEEDS_APPROVAL:
            return roster_needs_approval(notice)
        case Kind.ROSTER_PUBLISHED:
            return roster_published(notice)
        case Kind.ROSTER_REFUSED:
            return roster_refused(notice)
        case Kind.SECRET_CREATED:
            return secret_created(notice)
        case Kind.SECRET_EXPIRED:
            return secret_expired(notice)
        case Kind.SECRET_EXPIRING:
            return secret_expiring(notice)
        case Kind.SECRET_REVOKED:
            return secret_revoked(notice)
        case Kind.SECRET_ROTATED:
            return secret_rotated(notice)
        case _:
            assert_never(kind)


def _message(notice: Notice, words: str) -> EmailMultiAlternatives:
    """Return the message as text and HTML. It keeps its Message-ID when it is sent again, so mailboxes recognize it."""
    subject = _subject(words, notice.organization)
    context = {
        "subject": subject,
        "person": notice.user.name or notice.user.email,
        "organization": notice.organization,
        "client": notice.client,
        "facts": {name: _moment(value) if name.endswith("_at") else value for name, value in notice.facts.items()},
        "url": settings.PUBLIC_URL + _page(notice),
    }
    name = f"notice-{notice.pk}.{notice.created_at:%Y%m%d%H%M%S%f}"
    return _mail(notice.kind, context, to=_recipient(notice.user.name, notice.user.email), message_id=name)


def _mail(template: str, context: dict[str, Any], *, to: str, message_id: str) -> EmailMultiAlternatives:
    host = urlsplit(settings.PUBLIC_URL).hostname or "localhost"
    message = EmailMultiAlternatives(
        subject=context["subject"],
        body=render_to_string(f"emails/{template}.txt", context),
        to=[to],
        headers={"Message-ID": f"<{message_id}@{host}>", "Auto-Submitted": "auto-generated"},
    )
    message.attach_alternative(render_to_string(f"emails/{template}.html", context), "text/html")
    return message


def _subject(words: str, organization: Organization) -> str:
    # A name may contain a line break; a subject may not.
    return f"{' '.join(words.split())} ({organization.entity_id})"


def _page(notice: Notice) -> str:
    """Return the path of the page that the notice is about."""
    entity_id = notice.organization.entity_id
    if notice.client:
        return reverse("portal:client", args=[entity_id, notice.client.client_id])
    if "roster" in notice.facts:
        return reverse("portal:roster", args=[entity_id, notice.facts["roster"]])
    if notice.kind == Kind.MEMBERSHIP_ENDED:
        return reverse("portal:organizations")
    return reverse("portal:team", args=[entity_id])


def _recipient(name: str, email: str) -> str:
    return str(Address(" ".join(name.split()), addr_spec=email))


def _moment(text: Any) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if text else None
