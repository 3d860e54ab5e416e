"""The models of credentials, one file a noun."""

from credentials.models.access_token import AccessToken
from credentials.models.audit_event import AuditEvent
from credentials.models.client import ADDRESSES_AT_MOST, SECRET_LIFETIME, AllowedAddress, Client, ClientSecret
from credentials.models.organization import MANAGING_ROLES, Membership, Organization, Program, Role
from credentials.models.user import User

__all__ = [
    "ADDRESSES_AT_MOST",
    "MANAGING_ROLES",
    "SECRET_LIFETIME",
    "AccessToken",
    "AllowedAddress",
    "AuditEvent",
    "Client",
    "ClientSecret",
    "Membership",
    "Organization",
    "Program",
    "Role",
    "User",
]
