"""The administration of credentials, one file for each noun.

Operators edit organizations and users here. They can view, revoke and rotate clients, secrets and keys, and invite and
remove team members, with the same functions that delegates use. Tokens and the audit trail can't be changed.
"""

from credentials.admin import audit_event, client_key, client_secret, invitation, membership, organization, user

__all__ = ["audit_event", "client_key", "client_secret", "invitation", "membership", "organization", "user"]
