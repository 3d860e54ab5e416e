"""Who can change an organization's team, and what isn't allowed."""

from credentials.access.reasons import Reason
from credentials.actor import Actor
from credentials.models import Membership, Organization, Role


class TeamRefusedError(ValueError):
    """A team change that isn't allowed. The message says why, and what to do."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class NotManagingError(TeamRefusedError):
    """The user doesn't manage the organization's API credentials, or no longer does."""


class RoleRefusedError(TeamRefusedError):
    """The organization's program doesn't have this role."""


class OwnRoleError(TeamRefusedError):
    """A user can't change their own role."""


class LastManagerError(TeamRefusedError):
    """Without this team member, no one would manage the organization's API credentials."""


def enter(organization: Organization, *, by: Actor, as_operator: bool) -> Organization:
    """Return the current organization, locked, so that team changes run one after another.

    A user who isn't an operator must manage its API credentials right now. Raises NotManagingError.
    """
    found = locked_organization(organization)
    if as_operator:
        return found
    if by.user is None or not Membership.objects.managing_credentials(found).filter(user=by.user).exists():
        raise NotManagingError(
            Reason.NOT_MANAGING, f"You no longer manage API credentials for {found.name}. Nothing was changed."
        )
    return found


def locked_organization(organization: Organization) -> Organization:
    return Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)


def checked_role(role: str, organization: Organization) -> Role:
    """Return the role if the organization's program has it. Raises RoleRefusedError."""
    for known in organization.roles:
        if role == known:
            return known
    names = ", ".join(known.label for known in organization.roles)
    raise RoleRefusedError(
        Reason.ROLE_UNKNOWN, f"This program doesn’t have that role. Choose one of these roles: {names}."
    )


def check_is_not_own_role(membership: Membership, *, by: Actor) -> None:
    """A user who doesn't manage API credentials can't change their own role. Raises OwnRoleError."""
    if membership.user == by.user and not membership.manages_credentials:
        raise OwnRoleError(
            Reason.OWN_ROLE, "You can't change your own role. Ask another team member who manages API credentials."
        )


def check_is_not_last_manager(membership: Membership) -> None:
    """Someone must remain who manages the organization's API credentials. Raises LastManagerError."""
    organization = membership.organization
    if not Membership.objects.managing_credentials(organization).exclude(pk=membership.pk).exists():
        raise LastManagerError(
            Reason.LAST_MANAGER,
            f"{membership.user} is the last team member who manages API credentials for {organization.name}. "
            "Invite another one first, or ask the operators of Claimsgate.",
        )
