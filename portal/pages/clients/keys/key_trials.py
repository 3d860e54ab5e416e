"""Fetches the keys at a URL once, so that the user sees what Claimsgate sees before saving it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from credentials.access import limits
from credentials.clients import jwks, key_registration, keys
from credentials.models import Client

# In one window of time. Each test makes this server call another one.
TRIES_AT_MOST = 20


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key of the set: its ID and the key, or why it can't be used."""

    kid: str
    key: keys.PublicKey | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """The result: the keys, or the problem."""

    url: str
    found: tuple[FoundKey, ...] = ()
    problem: str = ""

    @property
    def usable(self) -> int:
        return sum(each.key is not None for each in self.found)


def try_url(url: str, client: Client) -> Trial:
    """Fetch `url` for `client`, unless the organization has tested too often. Don't hold a transaction open."""
    tries = limits.Budget(f"portal.key_trials:{client.organization_id}", TRIES_AT_MOST)
    if excess := limits.spend([tries]):
        return Trial(url, problem=excess.message)
    try:
        fetched = jwks.fetch(url, key_registration.policy_for(client))
    except jwks.KeySetUnavailableError as error:
        return Trial(url, problem=str(error))
    return Trial(url, found=tuple(_looked_at(jwk) for jwk in fetched.jwks))


def _looked_at(jwk: Mapping[str, Any]) -> FoundKey:
    kid = jwk.get("kid")
    name = kid if isinstance(kid, str) else ""
    try:
        return FoundKey(name, keys.from_jwk(jwk))
    except keys.KeyRefusedError as refused:
        return FoundKey(name, None, str(refused))
