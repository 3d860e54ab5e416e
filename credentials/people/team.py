"""The verbs about the members of an organization. Each is one transaction with its audit events.

Members come by invitations alone. Each role of a program manages credentials, so a change of role takes no rights away;
what the last person who manages them cannot do is go.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.http import HttpRequest

from credentials import notices
from credentials.access import limits
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
from credentials.people.team_rules import NotManagingError as NotManagingError
from credentials.people.team_rules import RoleRefusedError as RoleRefusedError
from credentials.people.team_rules import TeamRefusedError, checked_role, enter
from credentials.trail import audit


class LastManagerError(TeamRefusedError):
    """Without this person nobody would manage the organization's credentials."""


class OwnRoleError(TeamRefusedError):
    """Nobody gives rights to himself."""


@dataclass(frozen=True, slots=True)
class Made:
    """What is live and was made by one person; of clients that the person made, secrets and keys go without saying."""

    clients: list[Client] = field(default_factory=list)
    secrets: list[ClientSecret] = field(default_factory=list)
    keys: list[ClientKey] = field(default_factory=list)
    key_sets: list[ClientKeySet] = field(default_factory=list)
    invitations: list[Invitation] = field(default_factory=list)

    @property
    def has_credentials(self) -> bool:
        return bool(self.clients or self.secrets or self.keys or self.key_sets)


def made_by(user: User, organization: Organization) -> Made:
    """What a person has made for an organization and is live."""
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
    by: User | None,
    as_operator: bool = False,
    request: HttpRequest | None = None,
) -> bool:
    """Give a member another role. False when it is so already.

    Raises RoleRefusedError, OwnRoleError and NotManagingError.
    """
    organization = enter(membership.organization, by=by, as_operator=as_operator)
    membership = _locked(membership)
    wanted = checked_role(role, organization)
    if membership.user == by and not membership.manages_credentials:
        raise OwnRoleError("You can't change your own role. Ask another team member who manages API credentials.")
    before = membership.role
    if before == wanted:
        return False
    membership.role = wanted
    membership.save(update_fields=["role"])
    audit.record(
        audit.Action.MEMBER_ROLE_CHANGED,
        organization=organization,
        user=by,
        request=request,
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
    by: User | None,
    as_operator: bool = False,
    request: HttpRequest | None = None,
) -> Made:
    """Take a person out of an organization, from the next request on; what the person had made there and was live.

    Invitations that the person sent are withdrawn. With `revoke` the credentials that the person made end, too.
    Raises LastManagerError, unless an operator does it, and NotManagingError.
    """
    organization = enter(membership.organization, by=by, as_operator=as_operator)
    membership = _locked(membership)
    person = membership.user
    managing = Membership.objects.managing_credentials(organization)
    if not as_operator and not managing.exclude(pk=membership.pk).exists():
        raise LastManagerError(
            f"{person} is the last team member who manages API credentials for {organization.name}. "
            "Invite another one first, or ask the operators of Claimsgate."
        )
    made = made_by(person, organization)
    for invitation in made.invitations:
        invitations.withdraw_locked(invitation, by=by, request=request)
    if revoke:
        _revoke(made, by=by, request=request)
    event = audit.record(
        audit.Action.MEMBER_REMOVED,
        organization=organization,
        user=by,
        request=request,
        member=person.email,
        role=Role(membership.role).label,
        credentials_revoked=revoke,
    )
    membership.delete()
    notices.announce_member(notices.Kind.MEMBER_REMOVED, membership, event=event)
    return made


def write_down_refusal(
    refused: TeamRefusedError, organization: Organization, *, user: User, request: HttpRequest
) -> None:
    """That somebody tried what the rules refuse: once in a window of time for each rule and person."""
    rule = type(refused).__name__
    if limits.spend([limits.Budget(f"team.refused:{organization.pk}:{user.pk}:{rule}", 1)]) is None:
        audit.record(
            audit.Action.TEAM_CHANGE_REFUSED,
            organization=organization,
            user=user,
            request=request,
            reason=str(refused),
        )


def _revoke(made: Made, *, by: User | None, request: HttpRequest | None) -> None:
    for client in made.clients:
        revocation.revoke_client(client, by=by, request=request)
    # Of a client that somebody else revokes at this moment, all has ended.
    for secret in made.secrets:
        with suppress(ClientRevokedError):
            revocation.revoke_secret(secret, by=by, request=request)
    for key in made.keys:
        with suppress(ClientRevokedError):
            key_registration.revoke_key(key, by=by, request=request)
    for key_set in made.key_sets:
        with suppress(ClientRevokedError):
            key_registration.set_key_set_url(key_set.client, "", by=by, request=request)


def _locked(membership: Membership) -> Membership:
    """As it is now. Raises TeamRefusedError for a member who has been removed meanwhile."""
    rows = Membership.objects.select_related("organization", "user").select_for_update(of=("self",))
    found = rows.filter(pk=membership.pk).first()
    if found is None:
        raise TeamRefusedError("This user is no longer a team member. Nothing was changed.")
    return found
