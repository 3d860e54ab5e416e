"""The operators' view of credentials, one file a noun. Organizations and people are edited here. Clients, secrets and
keys can be looked at, ended and rotated, people invited and removed, through the same verbs that their delegates use;
tokens and the audit trail are never changed.
"""

from credentials.admin import audit_event, client_key, client_secret, invitation, membership, organization, user

__all__ = ["audit_event", "client_key", "client_secret", "invitation", "membership", "organization", "user"]
