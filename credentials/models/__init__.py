"""The models of credentials, one file for each noun."""

from credentials.models.access_token import AccessToken
from credentials.models.audit_event import AuditEvent
from credentials.models.call_count import CallCount
from credentials.models.client import (
    ADDRESSES_AT_MOST,
    SECRETS_AT_MOST,
    AllowedAddress,
    Client,
    ClientRevokedError,
    ClientSecret,
)
from credentials.models.client_key import KEYS_AT_MOST, ClientKey, ClientKeySet, SpentAssertion
from credentials.models.invitation import Invitation
from credentials.models.notice import Notice
from credentials.models.operator_token import OperatorToken
from credentials.models.organization import Bounds, Membership, Organization, Role
from credentials.models.outgoing_mail import OutgoingMail, PersonalMail
from credentials.models.refused_calls import RefusedCalls
from credentials.models.user import User

__all__ = [
    "ADDRESSES_AT_MOST",
    "KEYS_AT_MOST",
    "SECRETS_AT_MOST",
    "AccessToken",
    "AllowedAddress",
    "AuditEvent",
    "Bounds",
    "CallCount",
    "Client",
    "ClientKey",
    "ClientKeySet",
    "ClientRevokedError",
    "ClientSecret",
    "Invitation",
    "Membership",
    "Notice",
    "OperatorToken",
    "Organization",
    "OutgoingMail",
    "PersonalMail",
    "RefusedCalls",
    "Role",
    "SpentAssertion",
    "User",
]
