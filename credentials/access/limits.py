"""How many calls are let through in a window of five minutes, counted by all servers together.

Calls that prove who they are are counted by the client, wherever they come from: many clients may share an address.
Calls that do not are counted apart, by their address, and never by the client alone: so nobody can use up what a client
has, or lock it out, by knowing its id. See docs/decisions/0012.
"""

import hashlib
import ipaddress
import logging
import math
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.core.cache import caches
from django.core.cache.backends.redis import RedisCache
from redis.exceptions import RedisError

from credentials.models import CallCount, Client, User

logger = logging.getLogger(__name__)

# Of an IPv6 address, the network that one customer is given.
IPV6_NETWORK = 64
# What the keys in the cache begin with.
NAMESPACE = "claimsgate.limits"


@dataclass(frozen=True, slots=True)
class Budget:
    """So many calls for one key in one window; 0 means as many as come."""

    key: str
    at_most: int


@dataclass(frozen=True, slots=True)
class Excess:
    """A budget that is used up, and when the next window begins."""

    at_most: int
    wait: float  # seconds
    is_first: bool  # whether this very call is the first too many

    @property
    def retry_after(self) -> int:
        """Whole seconds after which a call is let through again."""
        return math.ceil(self.wait)

    @property
    def message(self) -> str:
        minutes = settings.LIMIT_WINDOW.total_seconds() / 60
        return (
            f"Too many calls: the limit is {self.at_most:,} in {minutes:g} minutes. "
            f"Try again in {self.retry_after} seconds."
        )


class LimitReachedError(Exception):
    """A call too many; `excess` says for how long."""

    def __init__(self, excess: Excess) -> None:
        super().__init__(excess.message)
        self.excess = excess


def api_calls(caller: Client | User) -> list[Budget]:
    """Calls of the API by a client, or a person, that has proven who it is: from wherever it calls."""
    kind = "client" if isinstance(caller, Client) else "person"
    return [Budget(f"api.{kind}:{caller.pk}", settings.LIMIT_API_CALLS_PER_CLIENT)]


def unproven_calls(address: str) -> list[Budget]:
    """Calls of the API that say nothing of who is calling."""
    return [Budget(f"api.address:{network(address)}", settings.LIMIT_API_CALLS_PER_ADDRESS)]


def token_calls(client: Client) -> list[Budget]:
    """Calls of the token endpoint and its sisters, by a client that has proven who it is."""
    return [Budget(f"token.client:{client.pk}", settings.LIMIT_TOKEN_CALLS_PER_CLIENT)]


def failures(client_id: str | None, address: str, *, is_proven: bool = False) -> list[Budget]:
    """Calls that proved nothing, or whose client may not pass: by the id that they gave, if they did.

    Those of a client that `is_proven`, and may pass, say nothing against its address.
    """
    place = network(address)
    of_address = Budget(f"failures.address:{place}", settings.LIMIT_FAILURES_PER_ADDRESS)
    if client_id is None:
        return [of_address]
    named = hashlib.sha256(client_id.encode(errors="replace")).hexdigest()[:16]
    of_both = Budget(f"failures.both:{named}:{place}", settings.LIMIT_FAILURES_PER_CLIENT_AND_ADDRESS)
    return [of_both] if is_proven else [of_both, of_address]


def slow_hashes(address: str) -> list[Budget]:
    """Tries of secrets whose hash is slow: imported ones, before their first use."""
    return [Budget(f"slow.address:{network(address)}", settings.LIMIT_SLOW_HASHES_PER_ADDRESS)]


def spend(budgets: Sequence[Budget]) -> Excess | None:
    """Count a call against each budget; the one of those used up for which one has to wait longest, or None."""
    limited = [budget for budget in budgets if budget.at_most]
    now, length = time.time(), settings.LIMIT_WINDOW.total_seconds()
    # Each key has windows of its own, so that not everybody who waited comes back in the same second.
    ends = [
        math.floor(now) + length - (math.floor(now) + zlib.crc32(budget.key.encode())) % length for budget in limited
    ]
    counts = _count_up([(budget.key, int(end)) for budget, end in zip(limited, ends, strict=True)])
    excesses = [
        Excess(at_most=budget.at_most, wait=end - now, is_first=count == budget.at_most + 1)
        for budget, end, count in zip(limited, ends, counts, strict=True)
        if count > budget.at_most
    ]
    return max(excesses, key=lambda excess: excess.wait, default=None)


def network(address: str) -> str:
    """What an address is counted as: an IPv4 address as itself, an IPv6 address as its network."""
    if isinstance(ipaddress.ip_address(address), ipaddress.IPv4Address):
        return address
    return str(ipaddress.ip_network((address, IPV6_NETWORK), strict=False))


def _count_up(windows: Sequence[tuple[str, int]]) -> list[int]:
    """Redis and Valkey count fastest; without them, and while they are away, PostgreSQL does."""
    if not windows:
        return []
    cache = caches["default"]
    if isinstance(cache, RedisCache):
        try:
            return [_in_cache(cache, f"{NAMESPACE}.{key}.{ends}") for key, ends in windows]
        except (RedisError, OSError) as error:
            logger.warning("The cache does not answer (%s). PostgreSQL counts calls instead.", error)
    return CallCount.objects.count_up(windows)


def _in_cache(cache: RedisCache, key: str) -> int:
    # The key lives longer than its window, so it cannot go away between the two commands.
    if cache.add(key, 1, timeout=2 * settings.LIMIT_WINDOW.total_seconds()):
        return 1
    return int(cache.incr(key))
