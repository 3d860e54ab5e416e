"""Key sets (JWK Set, RFC 7517) at the URLs of clients: fetched with care, cached for a while.

Anyone who registers a URL makes this server call it. So the call goes only to public IP addresses, to the one that was
checked, and ends after a few seconds and a few thousand bytes, whatever the other side does.
"""

import contextlib
import http.client
import io
import logging
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from http import HTTPStatus
from typing import Any, TypedDict
from urllib.parse import SplitResult, urlsplit

from django.core.cache import cache
from redis.exceptions import RedisError

from credentials import database
from credentials.access import addresses
from credentials.clients import keys
from credentials.models import ClientKeySet

logger = logging.getLogger(__name__)

# For everything together, in seconds: looking up the address, connecting, TLS, and reading to the end.
TIME_LIMIT = 5.0
SIZE_LIMIT = 64 * 1024
KEYS_AT_MOST = 64
URL_LENGTH_AT_MOST = 500

# All nodes together fetch a key set at most once in this time. That also holds for one that must not be kept, one
# that can't be fetched, and unknown key IDs.
APART = 10
KEPT_WITHOUT_WORD, KEPT_AT_MOST = 300, 3600

# Public by its number, but inside every network of that cloud: the platform services of Azure.
_NEVER = frozenset({"168.63.129.16"})
_CONNECT_LIMIT = 2.0
_MAX_AGE = re.compile(r"\bmax-age\s*=\s*\"?(\d{1,9})", re.IGNORECASE)
_FETCHING, _FETCHED = "fetching", "fetched"
_MOMENT = 0.05


class KeySetUnavailableError(LookupError):
    """The key set can't be fetched or can't be trusted; the message is for the client's delegate.

    It does not reveal which names exist on the internal network.
    """


@dataclass(frozen=True, slots=True)
class Policy:
    """Where key sets can be fetched from. By default, over HTTPS from public IP addresses."""

    allows_loopback: bool = False  # also from this machine, and from there without TLS


STRICT = Policy()


@dataclass(frozen=True, slots=True)
class Fetched:
    """The JWKs of a key set, and how long they can be kept (seconds) if their server says so."""

    jwks: Sequence[Mapping[str, Any]]
    max_age: int | None


class _Kept(TypedDict):
    """What the cache has of a key set. If it could not be fetched, `problem` is set and there are no keys."""

    jwks: Sequence[Mapping[str, Any]]
    problem: str | None
    fresh_until: float


def problem(url: str, policy: Policy = STRICT) -> str | None:
    """Return why key sets can't be fetched from `url`, as a sentence; None if they can. Does not call it."""
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > URL_LENGTH_AT_MOST:
        return f"The URL is not valid. Use at most {URL_LENGTH_AT_MOST} ASCII characters, without spaces."
    try:
        parts, port = urlsplit(url), urlsplit(url).port
    except ValueError:
        parts, port = SplitResult("", "", "", "", ""), None
    if parts.scheme != "https" and not (parts.scheme == "http" and policy.allows_loopback):
        return "The URL does not begin with https://. Use https, so that no one can replace the keys in transit."
    if not parts.hostname or port == 0:
        return f"“{url}” has no host name. Use the format https://keys.example.org/jwks.json."
    if "@" in parts.netloc or "#" in url:
        return "The URL has a user name, a password or a part after “#”. Remove it: public keys don't need it."
    return None


def find(key_set: ClientKeySet, kid: str, algorithm: str, policy: Policy = STRICT) -> keys.PublicKey | None:
    """Return the one key of a client's key set with this `kid` that fits `algorithm`; None if there is not exactly one.

    Raises KeySetUnavailableError. Raises KeyRefusedError if the key exists but can't be trusted.
    """
    try:
        kept = _kept(key_set, kid, policy)
    except (RedisError, OSError) as error:
        # Without the cache, nothing would limit how often the URL is called.
        logger.warning("The cache does not answer (%s). No key sets are fetched.", error)
        raise KeySetUnavailableError("This server's cache does not answer. Ask its operator to fix it.") from error
    if kept["problem"]:
        raise KeySetUnavailableError(kept["problem"])
    found = [jwk for jwk in kept["jwks"] if _has(jwk, kid) and jwk.get("kty") == keys.ALGORITHMS.get(algorithm)]
    return keys.from_jwk(found[0]) if len(found) == 1 else None


def fetch(url: str, policy: Policy = STRICT) -> Fetched:
    """Call `url` once. Raises KeySetUnavailableError."""
    if why := problem(url, policy):
        raise KeySetUnavailableError(why)
    deadline = time.monotonic() + TIME_LIMIT
    parts = urlsplit(url)
    try:
        with contextlib.closing(_connected(parts, policy, deadline)) as connection:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "claimsgate"}
            connection.request("GET", target, headers=headers)
            with connection.getresponse() as response:
                status, said = response.status, response.headers
                body = response.read(SIZE_LIMIT + 1) if status == HTTPStatus.OK else b""
    except TimeoutError:
        raise KeySetUnavailableError(f"{url} did not answer within {TIME_LIMIT:g} seconds.") from None
    except ssl.SSLCertVerificationError as error:
        raise KeySetUnavailableError(f"The certificate of {url} is not valid: {error.verify_message}.") from None
    except (OSError, http.client.HTTPException):
        raise KeySetUnavailableError(f"The connection to {url} failed or was interrupted.") from None
    if status != HTTPStatus.OK:
        raise KeySetUnavailableError(f"{url} returned status {status}. It must return 200. Redirects are not followed.")
    return Fetched(_parsed(url, body), _max_age(said))


def _kept(key_set: ClientKeySet, kid: str, policy: Policy) -> _Kept:
    """Return the cached key set. Fetch it again if it is old or has no `kid`, but at most once every APART."""
    name = f"credentials.jwks.{key_set.pk}"
    turn = f"{name}.turn"
    kept: _Kept | None = cache.get(name)
    if kept and time.time() < kept["fresh_until"] and any(_has(jwk, kid) for jwk in kept["jwks"]):
        return kept
    # From here on, it can take as long as the client's server needs.
    database.give_back()
    if cache.add(turn, _FETCHING, APART):
        kept = _fetched(key_set, kept, policy)
        cache.set(name, kept, KEPT_AT_MOST + APART)
        cache.set(turn, _FETCHED, APART)
        return kept
    # Another node is fetching it. Wait for its answer.
    until = time.monotonic() + TIME_LIMIT
    while cache.get(turn) == _FETCHING and time.monotonic() < until:
        time.sleep(_MOMENT)
    return cache.get(name) or _Kept(jwks=[], problem=f"{key_set.url} is being fetched right now.", fresh_until=0)


def _fetched(key_set: ClientKeySet, before: _Kept | None, policy: Policy) -> _Kept:
    now = time.time()
    try:
        fetched = fetch(key_set.url, policy)
    except KeySetUnavailableError as error:
        # Keep a valid cached set, even if an unknown key ID made us fetch it again at a bad moment.
        if before and now < before["fresh_until"]:
            return before
        return _Kept(jwks=[], problem=str(error), fresh_until=0)
    max_age = KEPT_WITHOUT_WORD if fetched.max_age is None else fetched.max_age
    return _Kept(jwks=fetched.jwks, problem=None, fresh_until=now + min(max(max_age, APART), KEPT_AT_MOST))


def _has(jwk: Mapping[str, Any], kid: str) -> bool:
    return bool(jwk.get("kid") == kid)


def _parsed(url: str, body: bytes) -> Sequence[Mapping[str, Any]]:
    if len(body) > SIZE_LIMIT:
        raise KeySetUnavailableError(f"{url} returned more than {SIZE_LIMIT:,} bytes.")
    try:
        found = keys.jwks_of(body)
    except keys.PrivateKeyRefusedError:
        raise KeySetUnavailableError(
            f"{url} publishes a private key. Anyone who reads it can act as your system. "
            "Create a new key pair and publish only its public key."
        ) from None
    except keys.KeyRefusedError as error:
        raise KeySetUnavailableError(f"{url} did not return a JWK Set (RFC 7517). {error}") from None
    if len(found) > KEYS_AT_MOST:
        raise KeySetUnavailableError(f"{url} has {len(found)} keys. Publish at most {KEYS_AT_MOST}.")
    return found


def _max_age(headers: Message) -> int | None:
    """Return for how many seconds the answer is fresh (RFC 9111, section 5.2.2); None if the server does not say."""
    control = headers.get("Cache-Control", "")
    if re.search(r"\bno-(store|cache)\b", control, re.IGNORECASE):
        return 0
    if (match := _MAX_AGE.search(control)) is None:
        return None
    age = headers.get("Age", "0").strip()
    return max(0, int(match.group(1)) - (int(age) if age.isascii() and age.isdigit() and len(age) < 10 else 0))  # noqa: PLR2004


# --- The call, to an address that has been checked --------------------------------------------------------------------


def _connected(parts: SplitResult, policy: Policy, deadline: float) -> http.client.HTTPConnection:
    """Return a connection to the first allowed IP address of the host that answers. The name is looked up once."""
    host, is_tls = str(parts.hostname), parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    found = _resolved(host, port, deadline)
    # Plain HTTP is only for this machine.
    allowed = [address for address in found if _may_be_called(address, policy, needs_loopback=not is_tls)]
    if not allowed:
        raise KeySetUnavailableError(f"{host} does not resolve to a public IP address.")
    for place, address in enumerate(allowed, start=1):
        try:
            tcp = socket.create_connection((address, port), timeout=min(_left(deadline), _CONNECT_LIMIT))
            break
        except OSError:
            if place == len(allowed):
                raise
    try:
        tcp.settimeout(_left(deadline))
        # The certificate must be the host's, not the IP address's.
        stream = ssl.create_default_context().wrap_socket(tcp, server_hostname=host) if is_tls else tcp
    except BaseException:
        tcp.close()
        raise
    connection = http.client.HTTPConnection(host, port)
    connection.default_port = 443 if is_tls else 80  # not repeated in the Host header
    connection.sock = _TimedSocket(stream, deadline)
    return connection


def _may_be_called(address: str, policy: Policy, *, needs_loopback: bool) -> bool:
    try:
        canonical = addresses.canonical(address)
    except ValueError:
        return False
    if canonical in _NEVER or (needs_loopback and not addresses.is_loopback(canonical)):
        return False
    return addresses.problem(canonical, allows_loopback=policy.allows_loopback) is None


def _resolved(host: str, port: int, deadline: float) -> list[str]:
    """Return the IP addresses of a host. The resolver has no time limit, so it runs in a thread that can be left."""
    answers: queue.SimpleQueue[list[str]] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            found = []
        answers.put(list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found)))

    threading.Thread(target=look_up, daemon=True, name="jwks-resolver").start()
    try:
        return answers.get(timeout=_left(deadline))
    except queue.Empty:
        raise TimeoutError from None


def _left(deadline: float) -> float:
    """Return the seconds until `deadline`. Raises TimeoutError."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


class _TimedSocket:
    """A connected socket for http.client that counts every wait against one deadline.

    A socket's own time limit begins again with each byte, so a server could keep us waiting for hours.
    """

    def __init__(self, stream: socket.socket, deadline: float) -> None:
        self._stream = stream
        self._deadline = deadline
        self._is_being_read = False

    def sendall(self, data: bytes) -> None:
        self._stream.settimeout(_left(self._deadline))
        self._stream.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        self._is_being_read = True
        return io.BufferedReader(_TimedReader(self._stream, self._deadline))

    def close(self) -> None:
        """Close the connection, unless a reader still needs it. Then the reader closes it."""
        if not self._is_being_read:
            self._stream.close()


class _TimedReader(io.RawIOBase):
    def __init__(self, stream: socket.socket, deadline: float) -> None:
        super().__init__()
        self._stream = stream
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._stream.settimeout(_left(self._deadline))
        return self._stream.recv_into(buffer)

    def close(self) -> None:
        self._stream.close()
        super().close()
