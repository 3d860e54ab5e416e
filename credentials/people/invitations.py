"""Invitations to an organization: sent, sent again, withdrawn, accepted. Each verb is one transaction with its event.

The link in the email contains the invitation's ID and nonce, signed with SECRET_KEY. It is created when the email is
written and isn't stored, so the database alone isn't enough to accept. See docs/decisions/0016.
"""

import dataclasses
import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core import signing
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.debug import sensitive_variables

from credentials import lifetimes, notices, outbox
from credentials.access import limits
from credentials.access.reasons import Reason
from credentials.actor import Actor
from credentials.isolation import isolated
from credentials.models import AuditEvent, Invitation, Membership, Organization, Role, User
from credentials.models.invitation import InvitationQuerySet, new_nonce
from credentials.people.team_rules import TeamRefusedError, checked_role, enter, locked_organization
from credentials.trail import audit

SALT = "credentials.invitations"
LONGEST_TOKEN = 200
# Emails per organization in one window of limits.py, so that nobody's mailbox is flooded.
SENT_AT_MOST = 20


class AddressRefusedError(TeamRefusedError):
    """The email address isn't valid."""


class AlreadyMemberError(TeamRefusedError):
    """The invited user is already a team member."""


class AlreadyInvitedError(TeamRefusedError):
    """The invited user already has an open invitation."""


class TooManyInvitationsError(TeamRefusedError):
    """The organization sent too many invitations in a short time."""


class InvitationOverError(TeamRefusedError):
    """The invitation can't be accepted.

    `invitation` is None if it is unknown.
    """

    def __init__(self, reason: Reason, invitation: Invitation | None = None) -> None:
        super().__init__(
            reason, "This invitation is no longer valid. Ask the person who invited you to send another one."
        )
        self.invitation = invitation


@dataclass(frozen=True, slots=True)
class Key:
    """The content of a valid link."""

    invitation: int
    nonce: str


# --- The link -------------------------------------------------------------------------------------------------------


def token_of(invitation: Invitation) -> str:
    """Return the token for the link. It only goes into the email to the invited address."""
    return signing.dumps([invitation.pk, invitation.nonce], salt=SALT)


def key_of(token: str) -> Key | None:
    """Return the content of a token; None if we didn't sign it."""
    if len(token) > LONGEST_TOKEN:
        return None
    try:
        number, nonce = signing.loads(token, salt=SALT)
    except signing.BadSignature:
        return None
    return Key(number, nonce)


def found(key: Key | None) -> Invitation:
    """Return the key's invitation, which may have expired. Raises InvitationOverError."""
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


def write_down_refusal(invitation: Invitation, *, reason: Reason, by: Actor) -> None:
    """Record that a genuine link was refused, once per reason in a window of time."""
    if limits.spend([limits.Budget(f"invitation.refused:{invitation.pk}:{reason}", 1)]) is None:
        audit.record(
            audit.Action.INVITATION_REFUSED,
            by,
            organization=invitation.organization,
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
    by: Actor,
    as_operator: bool = False,
) -> Invitation:
    """Invite someone, for 48 hours. A worker sends the email: see `send_due`.

    Raises AddressRefusedError, RoleRefusedError, AlreadyMemberError, AlreadyInvitedError, TooManyInvitationsError and
    NotManagingError.
    """
    organization = enter(organization, by=by, as_operator=as_operator)
    email, known_role = checked_email(email), checked_role(role, organization)
    if Membership.objects.for_organization(organization).filter(user__email__iexact=email).exists():
        raise AlreadyMemberError(Reason.ALREADY_MEMBER, f"{email} is already a team member of {organization.name}.")
    _spend(organization)
    try:
        with transaction.atomic():
            invitation = Invitation.objects.create(
                organization=organization,
                email=email,
                name=" ".join(name.split()),
                role=known_role,
                invited_by=by.user,
                expires_at=timezone.now() + lifetimes.INVITATION,
            )
    except IntegrityError as error:
        raise AlreadyInvitedError(
            Reason.ALREADY_INVITED, f"{email} is already invited. Send that invitation again, or withdraw it first."
        ) from error
    _record(audit.Action.INVITATION_SENT, invitation, by=by, email=email, role=known_role.label)
    return invitation


@transaction.atomic
def resend(
    invitation: Invitation,
    *,
    by: Actor,
    as_operator: bool = False,
) -> Invitation:
    """Send an open invitation again, for another 48 hours. The previous link is no longer valid.

    Sent only once if several users do it at the same time. Raises InvitationOverError, TooManyInvitationsError and
    NotManagingError.
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
    invitation.invited_by = by.user
    invitation.expires_at = timezone.now() + lifetimes.INVITATION
    invitation.sent_at, invitation.last_error = None, ""
    invitation.attempts, invitation.next_attempt_at = 0, timezone.now()
    invitation.save(
        update_fields=[
            *("nonce", "invited_by", "expires_at"),
            *("sent_at", "last_error", "attempts", "next_attempt_at"),
        ]
    )
    _record(audit.Action.INVITATION_SENT_AGAIN, invitation, by=by, email=invitation.email)
    return invitation


@transaction.atomic
def withdraw(
    invitation: Invitation,
    *,
    by: Actor,
    as_operator: bool = False,
) -> bool:
    """Make its link invalid. Return False if it wasn't open, so nothing changed. Raises NotManagingError."""
    enter(invitation.organization, by=by, as_operator=as_operator)
    invitation = _locked(invitation)
    if not invitation.is_open:
        return False
    withdraw_locked(invitation, by=by)
    return True


def forget_expired() -> None:
    """Withdraw invitations that expired long ago."""
    long_ago = timezone.now() - lifetimes.EXPIRED_INVITATION
    expired = Invitation.objects.open().filter(expires_at__lt=long_ago)
    for invitation_id in list(expired.values_list("pk", flat=True)):
        with isolated("Invitation", invitation_id):
            _forget(invitation_id, long_ago)


@transaction.atomic
def _forget(invitation_id: int, long_ago: dt.datetime) -> None:
    expired = _whole().get(pk=invitation_id)
    locked_organization(expired.organization)
    invitation = _locked(expired)
    if invitation.is_open and invitation.expires_at < long_ago:
        withdraw_locked(invitation, by=Actor.of_command("forget_expired_invitations"))


def withdraw_locked(invitation: Invitation, *, by: Actor) -> None:
    """Withdraw an invitation. The caller has locked the organization."""
    email = invitation.email
    invitation.email = invitation.name = ""
    invitation.withdrawn_at, invitation.withdrawn_by = timezone.now(), by.user
    invitation.save(update_fields=["email", "name", "withdrawn_at", "withdrawn_by"])
    _record(audit.Action.INVITATION_WITHDRAWN, invitation, by=by, email=email)


def checked_email(email: str) -> str:
    """Return the normalized email address, only ASCII to prevent lookalikes. Raises AddressRefusedError."""
    email = User.objects.normalize_email(email.strip())
    try:
        validate_email(email)
    except ValidationError:
        email = ""
    if not email or not email.isascii() or not email.isprintable() or set(email) & set(' "'):
        raise AddressRefusedError(
            Reason.EMAIL_NOT_VALID, "Enter a valid email address, for example name@organization.org."
        )
    return email


# --- Those who are invited ------------------------------------------------------------------------------------------


@transaction.atomic
def accept(key: Key, *, user: User, by: Actor) -> Membership:
    """Add the invited user to the team. Raises InvitationOverError."""
    invitation = _to_be_accepted(key)
    if not invitation.is_for(user.email) or not user.is_active:
        raise InvitationOverError(Reason.INVITATION_ANOTHER_PERSON, invitation)
    return _join(invitation, user, by)


@transaction.atomic
@sensitive_variables("password")
def accept_as_new_person(key: Key, *, name: str, password: str, by: Actor) -> Membership:
    """Create a user with the invited email address and add them to the team. Raises InvitationOverError.

    From then on, that user is who acts.
    """
    invitation = _to_be_accepted(key)
    if User.objects.filter(email__iexact=invitation.email).exists():
        raise InvitationOverError(Reason.INVITATION_ANOTHER_PERSON, invitation)
    user = User.objects.create_user(invitation.email, password, name=" ".join(name.split()))
    return _join(invitation, user, dataclasses.replace(by, user=user))


@transaction.atomic
def make_account(key: Key, *, email: str) -> User:
    """Return a user without a password, whose email address was verified by an identity provider.

    They join the organization when they accept the invitation. Raises InvitationOverError.
    """
    invitation = _to_be_accepted(key)
    if not invitation.is_for(email):
        raise InvitationOverError(Reason.INVITATION_ANOTHER_PERSON, invitation)
    known = User.objects.filter(email__iexact=invitation.email).first()
    return known or User.objects.create_user(invitation.email, name=invitation.name)


# --- The mail -------------------------------------------------------------------------------------------------------


def send_due(send: Callable[[Invitation], None]) -> int:
    """Send the emails that are due, and retry failed ones later. Return how many were sent."""

    def due(now: dt.datetime) -> InvitationQuerySet:
        return Invitation.objects.due(now).select_related("organization", "invited_by")

    return outbox.send_due(due, send)


# --- Within ---------------------------------------------------------------------------------------------------------


def _whole() -> InvitationQuerySet:
    return Invitation.objects.select_related("organization", "invited_by")


def _locked(invitation: Invitation) -> Invitation:
    return _whole().select_for_update(of=("self",)).get(pk=invitation.pk)


def _to_be_accepted(key: Key) -> Invitation:
    """Return the invitation, locked with its organization."""
    organization = locked_organization(found(key).organization)
    Invitation.objects.select_for_update().get(pk=key.invitation)
    invitation = found(key)
    if invitation.has_expired:
        raise InvitationOverError(Reason.INVITATION_EXPIRED, invitation)
    if invitation.role not in organization.roles:
        raise InvitationOverError(Reason.INVITATION_ROLE_GONE, invitation)
    return invitation


def _join(invitation: Invitation, user: User, by: Actor) -> Membership:
    invitation.email = invitation.name = ""
    invitation.accepted_at, invitation.accepted_by = timezone.now(), user
    invitation.save(update_fields=["email", "name", "accepted_at", "accepted_by"])
    membership, _ = Membership.objects.get_or_create(
        organization=invitation.organization, user=user, defaults={"role": invitation.role}
    )
    event = _record(
        audit.Action.INVITATION_ACCEPTED,
        invitation,
        by=by,
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
            Reason.TOO_MANY_INVITATIONS,
            f"{organization.name} sent {SENT_AT_MOST} invitations in the last few minutes. "
            f"Wait {minutes} minute{'' if minutes == 1 else 's'} and try again.",
        )


def _record(action: audit.Action, invitation: Invitation, *, by: Actor, **detail: Any) -> AuditEvent:
    return audit.record(
        action,
        by,
        organization=invitation.organization,
        invitation=invitation.pk,
        **detail,
    )
