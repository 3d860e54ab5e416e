"""Functions for the team members of an organization. Each is one transaction with its audit events.

Users join only by invitation. Each role of a program manages credentials, so a change of role takes no rights away. The
last team member who manages credentials can't be removed.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from credentials import notices
from credentials.access import limits
from credentials.access.reasons import Reason
from credentials.actor import Actor
from credentials.clients import key_registration, revocation
from credentials.models import (
    Client,
    ClientKey,
    ClientKeySet,
    ClientRevokedError,
    ClientSecret,
    Invitation,
    Membership,
    Organization,
    Role,
    User,
)
from credentials.people import invitations
from credentials.people.team_rules import (
    TeamRefusedError,
    check_is_not_last_manager,
    check_is_not_own_role,
    checked_role,
    enter,
)
from credentials.trail import audit


@dataclass(frozen=True, slots=True)
class Made:
    """What a user created that is still live. A client includes its secrets and keys."""

    clients: list[Client] = field(default_factory=list)
    secrets: list[ClientSecret] = field(default_factory=list)
    keys: list[ClientKey] = field(default_factory=list)
    key_sets: list[ClientKeySet] = field(default_factory=list)
    invitations: list[Invitation] = field(default_factory=list)

    @property
    def has_credentials(self) -> bool:
        return bool(self.clients or self.secrets or self.keys or self.key_sets)


def made_by(user: User, organization: Organization) -> Made:
    """Return what a user created for an organization that is still live."""
    clients = list(Client.objects.for_organization(organization).live().filter(created_by=user))
    within: dict[str, Any] = {"client__organization": organization, "client__revoked_at": None, "created_by": user}
    secrets, keys, key_sets = (
        ClientSecret.objects.live().filter(**within).exclude(client__in=clients),
        ClientKey.objects.live().filter(**within).exclude(client__in=clients),
        ClientKeySet.objects.live().filter(**within).exclude(client__in=clients),
    )
    return Made(
        clients=clients,
        secrets=list(secrets.select_related("client__organization")),
        keys=list(keys.select_related("client__organization")),
        key_sets=list(key_sets.select_related("client__organization")),
        invitations=list(Invitation.objects.for_organization(organization).open().filter(invited_by=user)),
    )


@transaction.atomic
def change_role(
    membership: Membership,
    role: str,
    *,
    by: Actor,
    as_operator: bool = False,
) -> bool:
    """Change a team member's role. Return False if it is already so.

    Raises RoleRefusedError, OwnRoleError and NotManagingError.
    """
    organization = enter(membership.organization, by=by, as_operator=as_operator)
    membership = _locked(membership)
    wanted = checked_role(role, organization)
    check_is_not_own_role(membership, by=by)
    before = membership.role
    if before == wanted:
        return False
    membership.role = wanted
    membership.save(update_fields=["role"])
    audit.record(
        audit.Action.MEMBER_ROLE_CHANGED,
        by,
        organization=organization,
        member=membership.user.email,
        before=Role(before).label,
        after=wanted.label,
    )
    return True


@transaction.atomic
def remove(
    membership: Membership,
    *,
    revoke: bool,
    by: Actor,
    as_operator: bool = False,
) -> Made:
    """Remove a user from an organization, from the next request on. Return what the user created that was live.

    Invitations from the user are withdrawn. With `revoke`, the credentials that the user created are revoked, too.
    Raises NotManagingError, and LastManagerError unless an operator does it.
    """
    organization = enter(membership.organization, by=by, as_operator=as_operator)
    membership = _locked(membership)
    person = membership.user
    if not as_operator:
        check_is_not_last_manager(membership)
    made = made_by(person, organization)
    for invitation in made.invitations:
        invitations.withdraw_locked(invitation, by=by)
    if revoke:
        _revoke(made, by=by)
    event = audit.record(
        audit.Action.MEMBER_REMOVED,
        by,
        organization=organization,
        member=person.email,
        role=Role(membership.role).label,
        credentials_revoked=revoke,
    )
    membership.delete()
    notices.announce_member(notices.Kind.MEMBER_REMOVED, membership, event=event)
    return made


def write_down_refusal(refused: TeamRefusedError, organization: Organization, *, by: Actor) -> None:
    """Record an attempt that the rules refuse: once in a window for each reason and user."""
    whose = by.user.pk if by.user else "nobody"
    if limits.spend([limits.Budget(f"team.refused:{organization.pk}:{whose}:{refused.reason}", 1)]) is None:
        audit.record(
            audit.Action.TEAM_CHANGE_REFUSED,
            by,
            organization=organization,
            reason=refused.reason,
            explanation=str(refused),
        )


def _revoke(made: Made, *, by: Actor) -> None:
    for client in made.clients:
        revocation.revoke_client(client, by=by)
    # If another user revokes a client right now, all of it has ended.
    for secret in made.secrets:
        with suppress(ClientRevokedError):
            revocation.revoke_secret(secret, by=by)
    for key in made.keys:
        with suppress(ClientRevokedError):
            key_registration.revoke_key(key, by=by)
    for key_set in made.key_sets:
        with suppress(ClientRevokedError):
            key_registration.set_key_set_url(key_set.client, "", by=by)


def _locked(membership: Membership) -> Membership:
    """Return the current row. Raises TeamRefusedError if the team member has been removed in the meantime."""
    rows = Membership.objects.select_related("organization", "user").select_for_update(of=("self",))
    found = rows.filter(pk=membership.pk).first()
    if found is None:
        raise TeamRefusedError(Reason.MEMBER_GONE, "This user is no longer a team member. Nothing was changed.")
    return found
