"""Decides whether a client has access. The token endpoint, the API and the downloads ask at every request.

So a revoked client, a removed IP address or a denied organization loses access at the next request, on every node.
"""

import datetime as dt
from dataclasses import dataclass

from django.conf import settings

from credentials.access import addresses
from credentials.access.reasons import Reason
from credentials.models import Client, ClientKey, ClientKeySet, ClientSecret, Organization


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why access is refused: the reason code, and a sentence for the reader of the client's log."""

    code: Reason
    message: str


def refusal(client: Client, address: str, *, is_listed: bool | None = None) -> Refusal | None:
    """Return why `client` has no access from `address` (canonical); None if it has.

    `is_listed` says whether the client's IP allow list has the address. If it is None, the list is looked up.
    """
    if refused := standing_refusal(client):
        return refused
    if addresses.is_loopback(address) and not allows_loopback(client.organization):
        return _address_refusal(address)
    if is_listed is None:
        is_listed = client.addresses.filter(address=address).exists()
    if not is_listed:
        return _address_refusal(address)
    return None


def standing_refusal(client: Client) -> Refusal | None:
    """Return why `client` has no access from any IP address; None if the IP address decides."""
    if refused := organization_refusal(client.organization):
        return refused
    if client.revoked_at is not None:
        return Refusal(Reason.CLIENT_REVOKED, "This client has been revoked.")
    return None


def secret_refusal(secret: ClientSecret) -> Refusal | None:
    """Return why a secret that is right gives no access; None while it is live."""
    if secret.is_live:
        return None
    if secret.revoked_at is not None:
        return Refusal(Reason.SECRET_REVOKED, f"This client secret was revoked on {_day(secret.revoked_at)}.")
    if secret.replaced_at is not None:
        return Refusal(
            Reason.SECRET_REPLACED, f"This client secret was rotated on {_day(secret.replaced_at)}. Use the new one."
        )
    return Refusal(Reason.SECRET_EXPIRED, f"This client secret expired on {_day(secret.expires_at)}. Create a new one.")


def key_refusal(key: ClientKey | ClientKeySet) -> Refusal | None:
    """Return why a key, or a key of a set, whose signature is right gives no access; None while it is live."""
    if key.revoked_at is None:
        return None
    return Refusal(Reason.KEY_REVOKED, f"This key was revoked on {_day(key.revoked_at)}.")


def organization_refusal(organization: Organization) -> Refusal | None:
    """Return why no client of `organization` has access; None if they have. The portal asks this for its users, too."""
    if organization.status == Organization.Status.DENIED:
        return Refusal(Reason.ORGANIZATION_DENIED, f"ACO (CMS_ID: {organization.entity_id}) is unauthorized")
    if organization.program is None:
        # No rules say what it can get: not how far back, nor which kinds of claims.
        return Refusal(
            Reason.ORGANIZATION_WITHOUT_PROGRAM,
            f"{organization.entity_id} isn't an entity ID of its program. "
            "Ask the operators of Claimsgate to correct the entity ID or the program.",
        )
    return None


def refused_organizations() -> list[Organization]:
    """Return those of which no client has access."""
    return [each for each in Organization.objects.all() if organization_refusal(each)]


def allows_loopback(organization: Organization) -> bool:
    """Return True only for a sandbox organization of the embedded demo: its clients run on this machine."""
    return settings.ALLOW_LOOPBACK_FOR_SANDBOX and organization.is_sandbox


def _day(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d}"


def _address_refusal(address: str) -> Refusal:
    if address == addresses.UNKNOWN:
        return Refusal(
            Reason.ADDRESS_NOT_ALLOWED,
            "The IP address of this call is unknown, so it is not on this client's IP allow list.",
        )
    return Refusal(Reason.ADDRESS_NOT_ALLOWED, f"{address} is not on this client's IP allow list.")
