"""Who may pass. The token endpoint, the API and the downloads all ask here, on every request.

So a revoked client, a removed address or a denied organization stops at the next request, on every node.
"""

from dataclasses import dataclass

from django.conf import settings

from credentials import addresses
from credentials.models import Client, Organization


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why someone may not pass: a stable code, and a sentence for the person who reads the client's log."""

    code: str
    message: str


def refusal(client: Client, address: str) -> Refusal | None:
    """Why `client` may not pass when it calls from `address` (canonical); None when it may."""
    if refused := organization_refusal(client.organization):
        return refused
    if client.revoked_at is not None:
        return Refusal("client_revoked", "This client has been revoked.")
    if addresses.is_loopback(address) and not allows_loopback(client.organization):
        return _address_refusal(address)
    if not client.addresses.filter(address=address).exists():
        return _address_refusal(address)
    return None


def organization_refusal(organization: Organization) -> Refusal | None:
    """Why nobody of `organization` may pass; None when they may. People in the portal are asked this, too."""
    if organization.status == Organization.Status.DENIED:
        return Refusal("organization_denied", f"ACO (CMS_ID: {organization.entity_id}) is unauthorized")
    return None


def allows_loopback(organization: Organization) -> bool:
    """True only for a sandbox organization of the embedded demo, whose clients run on this very machine."""
    return settings.ALLOW_LOOPBACK_FOR_SANDBOX and organization.is_sandbox


def _address_refusal(address: str) -> Refusal:
    return Refusal("address_not_allowed", f"{address} is not on this client's list of allowed addresses.")
