"""Reads the public keys of clients (JWK, JWK Set, PEM) and checks whether they are strong enough. Pure.

SMART App Launch 2.2.0 (Asymmetric Client Authentication) requires servers to verify RS384 or ES384. Both are accepted,
and nothing else. The key decides which one applies. A token's header is only compared with it.
"""

import base64
import binascii
import functools
import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from credentials import strict_json
from credentials.strict_json import AmbiguousJsonError

# The accepted algorithms, and the type of key (JWK's `kty`) for each.
ALGORITHMS = {"ES384": "EC", "RS384": "RSA"}
CURVE = "P-384"
RSA_BITS_AT_LEAST, RSA_BITS_RECOMMENDED, RSA_BITS_AT_MOST = 2048, 3072, 8192
KID_LENGTH_AT_MOST = 200

Material = rsa.RSAPublicKey | ec.EllipticCurvePublicKey

_COORDINATE_BYTES = 48
_FIELD_PRIME = (2**384 - 2**128 - 2**96 + 2**32 - 1).to_bytes(_COORDINATE_BYTES)
# FIPS 186-5, section 5.1: odd, and greater than 2 to the 16th. A large one makes verifying slow, and is not needed.
_EXPONENT_AT_LEAST, _EXPONENT_AT_MOST = 2**16 + 1, 2**32 - 1
# Checking a modulus takes 20 ms at 2048 bits, 60 ms at 3072, 140 ms at 4096, 1 s at 8192.
_LARGE_BITS, _LARGE_AT_MOST = 4096, 4
_SMALL_FACTORS_BELOW = 2**16
_CLOSE_FACTORS_TRIES = 100
_CHECKS_REMEMBERED = 1024
_PRIVATE_MEMBERS = frozenset({"d", "dp", "dq", "k", "oth", "p", "q", "qi"})
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----", re.DOTALL)


class KeyRefusedError(ValueError):
    """The key can't be read or trusted; the message says why and what to do, and has nothing of the key."""


class PrivateKeyRefusedError(KeyRefusedError):
    """The text is the private half of a key pair, which is now compromised."""

    def __init__(self) -> None:
        super().__init__(
            "This is a private key. It was not stored, but anyone who has seen it can act as your system. "
            "Stop using it. Create a new key pair, keep the private key where it is, and paste only the public key."
        )


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key that verifies signatures, with the key ID that its owner gave it (`kid`)."""

    kid: str
    material: Material

    @property
    def algorithm(self) -> str:
        return "RS384" if isinstance(self.material, rsa.RSAPublicKey) else "ES384"

    @property
    def bits(self) -> int:
        return self.material.key_size

    @property
    def jwk(self) -> dict[str, str]:
        """Return the members that make the key (RFC 7638, section 3.2), and no others."""
        numbers = self.material.public_numbers()
        if isinstance(numbers, rsa.RSAPublicNumbers):
            return {"e": _encoded(numbers.e), "kty": "RSA", "n": _encoded(numbers.n)}
        x, y = (_encoded(number, _COORDINATE_BYTES) for number in (numbers.x, numbers.y))
        return {"crv": CURVE, "kty": "EC", "x": x, "y": y}

    @property
    def thumbprint(self) -> str:
        """Return the key's JWK thumbprint (RFC 7638, SHA-256), 43 characters that two users can compare."""
        canonical = json.dumps(self.jwk, sort_keys=True, separators=(",", ":"))
        return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).rstrip(b"=").decode()

    @property
    def advice(self) -> str | None:
        """Return a recommendation for an accepted key, as a sentence; None if there is none."""
        if self.algorithm == "RS384" and self.bits < RSA_BITS_RECOMMENDED:
            return f"RSA with {self.bits} bits works. We recommend {RSA_BITS_RECOMMENDED} bits or an EC key."
        return None


def read(pasted: str, *, kid: str = "") -> list[PublicKey]:
    """Return the public keys of a JWK, a JWK Set or PEM text.

    A PEM has no key ID: its key gets `kid`, or its thumbprint. Raises KeyRefusedError; then don't use any of them.
    """
    if "PRIVATE KEY" in pasted.upper():
        raise PrivateKeyRefusedError
    if blocks := list(_PEM.finditer(pasted)):
        if kid and len(blocks) > 1:
            raise KeyRefusedError("There are several PEM keys but only one key ID. Add the keys one at a time.")
        return [_from_pem(block.group(0), block.group(1), kid) for block in blocks]
    found = [from_jwk(jwk) for jwk in jwks_of(pasted)]
    if len({key.kid for key in found}) < len(found):
        raise KeyRefusedError("Two keys have the same kid. Give each key a different kid.")
    return found


def jwks_of(text: str | bytes) -> Sequence[Mapping[str, Any]]:
    """Return the JWKs of a JWK Set, or the one JWK, as written. Raises KeyRefusedError, also for private keys."""
    try:
        document = strict_json.read(text)
    except AmbiguousJsonError as error:
        raise KeyRefusedError(f"This JSON is ambiguous. {error}") from None
    except ValueError:
        raise KeyRefusedError("This is not a JWK, a JWK Set or a PEM public key. Paste one of them.") from None
    jwks = document.get("keys", [document]) if isinstance(document, dict) else None
    if not isinstance(jwks, list) or not jwks or not all(isinstance(jwk, dict) for jwk in jwks):
        raise KeyRefusedError("This JSON is not a JWK (an object) or a JWK Set (an object with a list “keys”).")
    if any(_PRIVATE_MEMBERS & jwk.keys() for jwk in jwks):
        raise PrivateKeyRefusedError
    if sum(len(str(jwk.get("n", ""))) * 6 > _LARGE_BITS + 8 for jwk in jwks) > _LARGE_AT_MOST:
        raise KeyRefusedError(
            f"More than {_LARGE_AT_MOST} of these keys have more than {_LARGE_BITS} bits. Use smaller keys."
        )
    return jwks


def from_jwk(jwk: Mapping[str, Any]) -> PublicKey:
    """Return the key of a JWK (RFC 7517). Raises KeyRefusedError."""
    if _PRIVATE_MEMBERS & jwk.keys():
        raise PrivateKeyRefusedError
    kid = _checked_kid(jwk.get("kid"))
    operations = jwk.get("key_ops", ["verify"])
    if jwk.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        raise KeyRefusedError("This JWK is not for signatures. Paste one with “use”: “sig”.")
    key = PublicKey(kid, _rsa(jwk) if jwk.get("kty") == "RSA" else _ec(jwk))
    if jwk.get("alg", key.algorithm) != key.algorithm:
        raise KeyRefusedError(f"This JWK is for another algorithm. Signatures with this key must use {key.algorithm}.")
    return key


def _from_pem(text: str, label: str, kid: str) -> PublicKey:
    if "PUBLIC KEY" not in label:
        raise KeyRefusedError(f"This PEM is a “{label}”. Paste the public key: it begins with “BEGIN PUBLIC KEY”.")
    try:
        material = load_pem_public_key(text.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise KeyRefusedError("This PEM public key can't be read. Paste all of it, from BEGIN to END.") from None
    if isinstance(material, rsa.RSAPublicKey):
        numbers = material.public_numbers()
        material = _checked_rsa(numbers.n, numbers.e)
    elif not isinstance(material, ec.EllipticCurvePublicKey) or not isinstance(material.curve, ec.SECP384R1):
        raise _unknown_kind()
    return PublicKey(_checked_kid(kid or PublicKey("", material).thumbprint), material)


def _rsa(jwk: Mapping[str, Any]) -> rsa.RSAPublicKey:
    n, e = (int.from_bytes(_decoded(jwk, member)) for member in ("n", "e"))
    return _checked_rsa(n, e)


def _checked_rsa(n: int, e: int) -> rsa.RSAPublicKey:
    bits = n.bit_length()
    if not RSA_BITS_AT_LEAST <= bits <= RSA_BITS_AT_MOST:
        raise KeyRefusedError(
            f"This RSA key has {bits} bits. Use a key of {RSA_BITS_AT_LEAST} to {RSA_BITS_AT_MOST} bits. "
            f"We recommend {RSA_BITS_RECOMMENDED}."
        )
    if not _EXPONENT_AT_LEAST <= e <= _EXPONENT_AT_MOST or e % 2 == 0:
        raise KeyRefusedError("This RSA key has an unusual exponent. Create one with the exponent 65537.")
    if weakness := _weakness(n):
        raise KeyRefusedError(f"This RSA key is weak: its modulus {weakness}. Create a new key pair.")
    try:
        return rsa.RSAPublicNumbers(e, n).public_key()
    except ValueError:
        raise KeyRefusedError("The numbers of this RSA key are not valid. Create a new key pair.") from None


@functools.lru_cache(_CHECKS_REMEMBERED)
def _weakness(n: int) -> str | None:
    """Return why the private key of a modulus is easy to find; None if the checks find nothing.

    A modulus is the product of two large primes that are far apart. The modulus itself does not show that.
    """
    if n % 2 == 0:
        return "is even"
    if math.gcd(n, _small_primes()) > 1:
        return "has a small factor"
    # Fermat's method: two factors that are close together are near the root. So are those of a square.
    root = math.isqrt(n - 1) + 1
    for middle in range(root, root + _CLOSE_FACTORS_TRIES):
        difference = middle * middle - n
        if math.isqrt(difference) ** 2 == difference:
            return "is the product of two numbers that are close to each other"
    # Fermat's little theorem: it holds for every prime, and for a product of two random ones practically never.
    if pow(2, n - 1, n) == 1:
        return "is a prime"
    return None


@functools.cache
def _small_primes() -> int:
    """Return the product of all primes below 2 to the 16th."""
    is_prime = bytearray([True]) * _SMALL_FACTORS_BELOW
    is_prime[:2] = bytes(2)
    for number in range(math.isqrt(_SMALL_FACTORS_BELOW) + 1):
        if is_prime[number]:
            is_prime[number * number :: number] = bytes(len(is_prime[number * number :: number]))
    return math.prod(number for number, prime in enumerate(is_prime) if prime)


def _ec(jwk: Mapping[str, Any]) -> ec.EllipticCurvePublicKey:
    if jwk.get("kty") != "EC" or jwk.get("crv") != CURVE:
        raise _unknown_kind()
    x, y = (_decoded(jwk, member) for member in ("x", "y"))
    if len(x) != _COORDINATE_BYTES or len(y) != _COORDINATE_BYTES:
        raise KeyRefusedError(
            f"The coordinates of this key are not valid. On the curve {CURVE}, each has {_COORDINATE_BYTES} bytes."
        )
    # The library accepts a coordinate with the prime added to it: a second spelling of the same key.
    if max(x, y) >= _FIELD_PRIME:
        raise KeyRefusedError(f"The point of this key is not on the curve {CURVE}. Create a new key pair.")
    try:
        return ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), ec.SECP384R1()).public_key()
    except ValueError:
        raise KeyRefusedError(f"The point of this key is not on the curve {CURVE}. Create a new key pair.") from None


def _unknown_kind() -> KeyRefusedError:
    return KeyRefusedError(
        f"This type of key is not supported. Use an RSA key of {RSA_BITS_AT_LEAST} bits or more (RS384) or an EC key "
        f"on the curve {CURVE} (ES384)."
    )


def _checked_kid(kid: object) -> str:
    if not isinstance(kid, str) or not kid or not kid.isprintable() or len(kid) > KID_LENGTH_AT_MOST:
        raise KeyRefusedError(
            f"The key ID is missing or not valid. Each key needs a “kid” of 1 to {KID_LENGTH_AT_MOST} characters."
        )
    return kid


def _decoded(jwk: Mapping[str, Any], member: str) -> bytes:
    """Return the bytes of a base64url member (RFC 7515, section 2)."""
    text = jwk.get(member)
    if not isinstance(text, str) or len(text) > RSA_BITS_AT_MOST:
        raise KeyRefusedError(f"The member “{member}” of this JWK is missing or not base64url. Paste the whole JWK.")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise KeyRefusedError(
            f"The member “{member}” of this JWK is missing or not base64url. Paste the whole JWK."
        ) from None


def _encoded(number: int, length: int | None = None) -> str:
    raw = number.to_bytes(length or (number.bit_length() + 7) // 8)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
