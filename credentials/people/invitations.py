"""Invitations to an organization: sent, sent again, withdrawn, accepted. Each verb is one transaction with its event.

The link of the mail names an invitation and its nonce, signed with SECRET_KEY. It is made when the mail is written and
is kept nowhere, so the database alone opens nothing. See docs/decisions/0016.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core import signing
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_variables

from credentials import notices, outbox
from credentials.access import limits
from credentials.access.reasons import Reason
from credentials.isolation import isolated
from credentials.models import INVITATION_LIFETIME, AuditEvent, Invitation, Membership, Organization, Role, User
from credentials.models.invitation import InvitationQuerySet, new_nonce
from credentials.people.team_rules import TeamRefusedError, checked_role, enter
from credentials.trail import audit

SALT = "credentials.invitations"
LONGEST_TOKEN = 200
# Mails an organization may have sent in one window of limits.py, so that nobody's mailbox is filled with them.
SENT_AT_MOST = 20
# For so long after its end an invitation can be sent again; then its address goes.
FORGOTTEN_AFTER = dt.timedelta(days=30)


class AddressRefusedError(TeamRefusedError):
    """What was given is no e-mail address that we write to."""


class AlreadyMemberError(TeamRefusedError):
    """Who was to be invited is a member."""


class AlreadyInvitedError(TeamRefusedError):
    """Who was to be invited has an invitation that is open."""


class TooManyInvitationsError(TeamRefusedError):
    """The organization has had many mails sent in a short time."""


class InvitationOverError(TeamRefusedError):
    """An invitation that cannot be accepted (any more).

    `invitation` is None when it is unknown.
    """

    def __init__(self, reason: Reason, invitation: Invitation | None = None) -> None:
        super().__init__("This invitation does not count any more. Ask whoever invited you to send another.")
        self.reason = reason
        self.invitation = invitation


@dataclass(frozen=True, slots=True)
class Key:
    """What a link proves to know."""

    invitation: int
    nonce: str


# --- The link -------------------------------------------------------------------------------------------------------


def token_of(invitation: Invitation) -> str:
    """What stands in the link. Nobody but the mail to the invited address is given it."""
    return signing.dumps([invitation.pk, invitation.nonce], salt=SALT)


def key_of(token: str) -> Key | None:
    """What a token says, if we have signed it; else None."""
    if len(token) > LONGEST_TOKEN:
        return None
    try:
        number, nonce = signing.loads(token, salt=SALT)
    except signing.BadSignature:
        return None
    return Key(number, nonce)


def found(key: Key | None) -> Invitation:
    """The invitation that the key opens; it may have expired. Raises InvitationOverError."""
    invitation = _whole().filter(pk=key.invitation).first() if key else None
    if key is None or invitation is None:
        raise InvitationOverError(Reason.INVITATION_UNKNOWN)
    if not constant_time_compare(invitation.nonce, key.nonce):
        raise InvitationOverError(Reason.INVITATION_REPLACED, invitation)
    if invitation.accepted_at:
        raise InvitationOverError(Reason.INVITATION_ACCEPTED, invitation)
    if invitation.withdrawn_at:
        raise InvitationOverError(Reason.INVITATION_WITHDRAWN, invitation)
    return invitation


def write_down_refusal(invitation: Invitation, *, reason: Reason, user: User | None, request: HttpRequest) -> None:
    """That a genuine link was not let through: once in a window of time for each reason."""
    if limits.spend([limits.Budget(f"invitation.refused:{invitation.pk}:{reason}", 1)]) is None:
        audit.record(
            audit.Action.INVITATION_REFUSED,
            organization=invitation.organization,
            user=user,
            request=request,
            reason=reason,
            invitation=invitation.pk,
        )


# --- Those who invite -----------------------------------------------------------------------------------------------


@transaction.atomic
def invite(
    organization: Organization,
    *,
    email: str,
    name: str = "",
    role: str,
    by: User | None,
    as_operator: bool = False,
    request: HttpRequest | None = None,
) -> Invitation:
    """Invite a person, for 48 hours. A worker sends the mail: see `send_due`.

    Raises AddressRefusedError, RoleRefusedError, AlreadyMemberError, AlreadyInvitedError, TooManyInvitationsError and
    NotManagingError.
    """
    organization = enter(organization, by=by, as_operator=as_operator)
    email, known_role = checked_email(email), checked_role(role, organization)
    if Membership.objects.for_organization(organization).filter(user__email__iexact=email).exists():
        raise AlreadyMemberError(f"{email} is a member of {organization.name} already.")
    _spend(organization)
    try:
        with transaction.atomic():
            invitation = Invitation.objects.create(
                organization=organization,
                email=email,
                name=" ".join(name.split()),
                role=known_role,
                invited_by=by,
                expires_at=timezone.now() + INVITATION_LIFETIME,
            )
    except IntegrityError as error:
        raise AlreadyInvitedError(
            f"{email} is invited already. Send that invitation again, or withdraw it first."
        ) from error
    _record(audit.Action.INVITATION_SENT, invitation, by=by, request=request, email=email, role=known_role.label)
    return invitation


@transaction.atomic
def resend(
    invitation: Invitation, *, by: User | None, as_operator: bool = False, request: HttpRequest | None = None
) -> Invitation:
    """Send an open invitation again, for another 48 hours. The former link does not count any more.

    Once, if several do it at the same moment. Raises InvitationOverError, TooManyInvitationsError and NotManagingError.
    """
    organization = enter(invitation.organization, by=by, as_operator=as_operator)
    known_nonce = invitation.nonce
    invitation = _locked(invitation)
    if not invitation.is_open:
        raise InvitationOverError(Reason.INVITATION_OVER, invitation)
    if invitation.nonce != known_nonce:
        return invitation
    _spend(organization)
    invitation.nonce = new_nonce()
    invitation.invited_by = by
    invitation.expires_at = timezone.now() + INVITATION_LIFETIME
    invitation.sent_at, invitation.last_error = None, ""
    invitation.attempts, invitation.next_attempt_at = 0, timezone.now()
    invitation.save(
        update_fields=[
            *("nonce", "invited_by", "expires_at"),
            *("sent_at", "last_error", "attempts", "next_attempt_at"),
        ]
    )
    _record(audit.Action.INVITATION_SENT_AGAIN, invitation, by=by, request=request, email=invitation.email)
    return invitation


@transaction.atomic
def withdraw(
    invitation: Invitation, *, by: User | None, as_operator: bool = False, request: HttpRequest | None = None
) -> bool:
    """Its link does not count any more. False, and nothing changes, when it is over. Raises NotManagingError."""
    enter(invitation.organization, by=by, as_operator=as_operator)
    invitation = _locked(invitation)
    if not invitation.is_open:
        return False
    withdraw_locked(invitation, by=by, request=request)
    return True


def forget_expired() -> None:
    """Withdraw those whose time was over long ago, as nobody is going to send them again."""
    long_ago = timezone.now() - FORGOTTEN_AFTER
    expired = Invitation.objects.open().filter(expires_at__lt=long_ago)
    for invitation_id in list(expired.values_list("pk", flat=True)):
        with isolated("Invitation", invitation_id):
            _forget(invitation_id, long_ago)


@transaction.atomic
def _forget(invitation_id: int, long_ago: dt.datetime) -> None:
    expired = _whole().get(pk=invitation_id)
    enter(expired.organization, by=None, as_operator=True)
    invitation = _locked(expired)
    if invitation.is_open and invitation.expires_at < long_ago:
        withdraw_locked(invitation, by=None, request=None)


def withdraw_locked(invitation: Invitation, *, by: User | None, request: HttpRequest | None) -> None:
    """For callers who have locked the organization."""
    email = invitation.email
    invitation.email = invitation.name = ""
    invitation.withdrawn_at, invitation.withdrawn_by = timezone.now(), by
    invitation.save(update_fields=["email", "name", "withdrawn_at", "withdrawn_by"])
    _record(audit.Action.INVITATION_WITHDRAWN, invitation, by=by, request=request, email=email)


def checked_email(email: str) -> str:
    """An address in one line of ASCII: no other can be mistaken for it. Raises AddressRefusedError."""
    email = User.objects.normalize_email(email.strip())
    try:
        validate_email(email)
    except ValidationError:
        email = ""
    if not email or not email.isascii() or not email.isprintable() or set(email) & set(' "'):
        raise AddressRefusedError("This is not an e-mail address. An example: name@organization.org.")
    return email


# --- Those who are invited ------------------------------------------------------------------------------------------


@transaction.atomic
def accept(key: Key, *, user: User, request: HttpRequest | None = None) -> Membership:
    """The person whose address was invited joins. Raises InvitationOverError."""
    invitation = _to_be_accepted(key)
    if not invitation.is_for(user.email) or not user.is_active:
        raise InvitationOverError(Reason.INVITATION_ANOTHER_PERSON, invitation)
    return _join(invitation, user, request)


@transaction.atomic
@sensitive_variables("password")
def accept_as_new_person(key: Key, *, name: str, password: str, request: HttpRequest | None = None) -> Membership:
    """Somebody whom we do not know yet joins, under the invited address. Raises InvitationOverError."""
    invitation = _to_be_accepted(key)
    if User.objects.filter(email__iexact=invitation.email).exists():
        raise InvitationOverError(Reason.INVITATION_ANOTHER_PERSON, invitation)
    user = User.objects.create_user(invitation.email, password, name=" ".join(name.split()))
    return _join(invitation, user, request)


@transaction.atomic
def make_account(key: Key, *, email: str) -> User:
    """An account without a password for whoever has proven elsewhere to have the invited address.

    It belongs to no organization until the invitation is accepted. Raises InvitationOverError.
    """
    invitation = _to_be_accepted(key)
    if not invitation.is_for(email):
        raise InvitationOverError(Reason.INVITATION_ANOTHER_PERSON, invitation)
    known = User.objects.filter(email__iexact=invitation.email).first()
    return known or User.objects.create_user(invitation.email, name=invitation.name)


# --- The mail -------------------------------------------------------------------------------------------------------


def send_due(send: Callable[[Invitation], None]) -> int:
    """Send the mails that are due, and try again later what cannot be sent; how many were sent."""

    def due(now: dt.datetime) -> InvitationQuerySet:
        return Invitation.objects.due(now).select_related("organization", "invited_by")

    return outbox.send_due(due, send)


# --- Within ---------------------------------------------------------------------------------------------------------


def _whole() -> InvitationQuerySet:
    return Invitation.objects.select_related("organization", "invited_by")


def _locked(invitation: Invitation) -> Invitation:
    return _whole().select_for_update(of=("self",)).get(pk=invitation.pk)


def _to_be_accepted(key: Key) -> Invitation:
    """The invitation, locked with its organization."""
    organization = enter(found(key).organization, by=None, as_operator=True)
    Invitation.objects.select_for_update().get(pk=key.invitation)
    invitation = found(key)
    if invitation.has_expired:
        raise InvitationOverError(Reason.INVITATION_EXPIRED, invitation)
    if invitation.role not in organization.roles:
        raise InvitationOverError(Reason.INVITATION_ROLE_GONE, invitation)
    return invitation


def _join(invitation: Invitation, user: User, request: HttpRequest | None) -> Membership:
    invitation.email = invitation.name = ""
    invitation.accepted_at, invitation.accepted_by = timezone.now(), user
    invitation.save(update_fields=["email", "name", "accepted_at", "accepted_by"])
    membership, _ = Membership.objects.get_or_create(
        organization=invitation.organization, user=user, defaults={"role": invitation.role}
    )
    event = _record(
        audit.Action.INVITATION_ACCEPTED,
        invitation,
        by=user,
        request=request,
        email=user.email,
        role=Role(membership.role).label,
        takes_responsibility=True,
    )
    notices.announce_member(notices.Kind.MEMBER_JOINED, membership, event=event)
    return membership


def _spend(organization: Organization) -> None:
    if excess := limits.spend([limits.Budget(f"invitations.sent:{organization.pk}", SENT_AT_MOST)]):
        minutes = -(-excess.retry_after // int(dt.timedelta(minutes=1).total_seconds()))
        raise TooManyInvitationsError(
            f"{organization.name} has had {SENT_AT_MOST} invitations sent in the last minutes. "
            f"Wait {minutes} minute{'' if minutes == 1 else 's'} and try again."
        )


def _record(
    action: audit.Action, invitation: Invitation, *, by: User | None, request: HttpRequest | None, **detail: Any
) -> AuditEvent:
    return audit.record(
        action,
        organization=invitation.organization,
        user=by,
        request=request,
        invitation=invitation.pk,
        **detail,
    )
