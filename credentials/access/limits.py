"""Rate limits: how many calls are allowed in a window of five minutes, counted by all servers together.

Authenticated calls count for the client, from all IP addresses: many clients can share an address. Other calls count
for their IP address, never for the client alone. So no one can use up a client's limit, or lock the client out, by
knowing its client ID. See docs/decisions/0012.
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

# The network of an IPv6 address that one customer gets.
IPV6_NETWORK = 64
# The prefix of the keys in the cache.
NAMESPACE = "claimsgate.limits"


@dataclass(frozen=True, slots=True)
class Budget:
    """How many calls one key can make in one window. 0 means no limit."""

    key: str
    at_most: int


@dataclass(frozen=True, slots=True)
class Excess:
    """A budget that is used up, and when the next window begins."""

    at_most: int
    wait: float  # seconds
    is_first: bool  # True for the first call over the limit

    @property
    def retry_after(self) -> int:
        """Return the whole seconds until calls are allowed again."""
        return math.ceil(self.wait)

    @property
    def message(self) -> str:
        minutes = settings.LIMIT_WINDOW.total_seconds() / 60
        return (
            f"Too many calls: the limit is {self.at_most:,} in {minutes:g} minutes. "
            f"Try again in {self.retry_after} seconds."
        )


class LimitReachedError(Exception):
    """A call over the limit; `excess` says for how long."""

    def __init__(self, excess: Excess) -> None:
        super().__init__(excess.message)
        self.excess = excess


def api_calls(caller: Client | User) -> list[Budget]:
    """API calls of an authenticated client or user, from all IP addresses."""
    kind = "client" if isinstance(caller, Client) else "person"
    return [Budget(f"api.{kind}:{caller.pk}", settings.LIMIT_API_CALLS_PER_CLIENT)]


def unproven_calls(address: str) -> list[Budget]:
    """API calls without a token."""
    return [Budget(f"api.address:{network(address)}", settings.LIMIT_API_CALLS_PER_ADDRESS)]


def token_calls(client: Client) -> list[Budget]:
    """Calls of the token, introspection and revocation endpoints by an authenticated client."""
    return [Budget(f"token.client:{client.pk}", settings.LIMIT_TOKEN_CALLS_PER_CLIENT)]


def failures(client_id: str | None, address: str, *, is_proven: bool = False) -> list[Budget]:
    """Refused calls: those that did not authenticate, or whose client has no access, by the client ID that they sent.

    If the client `is_proven` and has access, its calls don't count against its IP address.
    """
    place = network(address)
    of_address = Budget(f"failures.address:{place}", settings.LIMIT_FAILURES_PER_ADDRESS)
    if client_id is None:
        return [of_address]
    named = hashlib.sha256(client_id.encode(errors="replace")).hexdigest()[:16]
    of_both = Budget(f"failures.both:{named}:{place}", settings.LIMIT_FAILURES_PER_CLIENT_AND_ADDRESS)
    return [of_both] if is_proven else [of_both, of_address]


def slow_hashes(address: str) -> list[Budget]:
    """Attempts with secrets whose hash is slow: imported ones, before their first use."""
    return [Budget(f"slow.address:{network(address)}", settings.LIMIT_SLOW_HASHES_PER_ADDRESS)]


def spend(budgets: Sequence[Budget]) -> Excess | None:
    """Count a call against each budget. Return the excess with the longest wait, or None."""
    limited = [budget for budget in budgets if budget.at_most]
    now, length = time.time(), settings.LIMIT_WINDOW.total_seconds()
    # Each key has its own windows, so that not all waiting callers come back in the same second.
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
    """Return what an address counts as: an IPv4 address as itself, an IPv6 address as its network."""
    if isinstance(ipaddress.ip_address(address), ipaddress.IPv4Address):
        return address
    return str(ipaddress.ip_network((address, IPV6_NETWORK), strict=False))


def _count_up(windows: Sequence[tuple[str, int]]) -> list[int]:
    """Count in Redis or Valkey, which is fastest. Without them, and while they are down, count in PostgreSQL."""
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
    # The key lives longer than its window, so it can't disappear between the two commands.
    if cache.add(key, 1, timeout=2 * settings.LIMIT_WINDOW.total_seconds()):
        return 1
    return int(cache.incr(key))
