"""Who may decide about the people of an organization, and what nobody may."""

from credentials.models import Membership, Organization, Role, User


class TeamRefusedError(ValueError):
    """Something that cannot be done about an organization's people; the message says why, and what to do."""


class NotManagingError(TeamRefusedError):
    """Whoever decides does not manage the organization's credentials (any more)."""


class RoleRefusedError(TeamRefusedError):
    """The organization's program has no such role."""


def enter(organization: Organization, *, by: User | None, as_operator: bool) -> Organization:
    """The organization as it is now, locked: those who change its people at once come one after the other.

    Who is not an operator has to manage its credentials at this moment. Raises NotManagingError.
    """
    found = Organization.objects.select_for_update(no_key=True).get(pk=organization.pk)
    if as_operator:
        return found
    if by is None or not Membership.objects.managing_credentials(found).filter(user=by).exists():
        raise NotManagingError(f"You do not manage the credentials of {found.name} any more. Nothing was changed.")
    return found


def checked_role(role: str, organization: Organization) -> Role:
    """Raises RoleRefusedError."""
    for known in organization.roles:
        if role == known:
            return known
    names = ", ".join(known.label for known in organization.roles)
    raise RoleRefusedError(f"In this program a person can be: {names}. Choose one of these roles.")
