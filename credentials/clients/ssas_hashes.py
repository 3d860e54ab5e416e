"""The secret hashes of the SSAS, BCDA's credential service. Pure.

PBKDF2 with HMAC-SHA512, written as `base64(salt):base64(hash):iterations`; older ones have no iterations. The secrets
are 40 random bytes in lower-case hexadecimal.
"""

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass

SECRET = re.compile(r"[0-9a-f]{80}")
ITERATIONS_AT_MOST = 2_000_000  # about two seconds of CPU
LENGTHS = range(16, 129)


class NotAHashError(ValueError):
    """The text is not such a hash; the message says why."""


@dataclass(frozen=True, slots=True)
class SsasHash:
    salt: bytes
    digest: bytes
    iterations: int

    @classmethod
    def parse(cls, text: str, *, iterations: int | None = None) -> "SsasHash":
        """Return the parsed hash; `iterations` applies if the hash has none. Raises NotAHashError."""
        salt, _, rest = text.partition(":")
        digest, has_iterations, written = rest.partition(":")
        if has_iterations:
            if not re.fullmatch(r"[1-9][0-9]{0,8}", written):
                raise NotAHashError(f"its iterations are “{written[:20]}”, which is not a number")
            iterations = int(written)
        if iterations is None:
            raise NotAHashError("it has no iterations: set them with --iterations")
        if iterations > ITERATIONS_AT_MOST:
            raise NotAHashError(f"it has {iterations:,} iterations, and the most allowed is {ITERATIONS_AT_MOST:,}")
        return cls(_decoded(salt, "salt"), _decoded(digest, "hash"), iterations)

    def __str__(self) -> str:
        salt, digest = (base64.b64encode(part).decode() for part in (self.salt, self.digest))
        return f"{salt}:{digest}:{self.iterations}"

    def is_of(self, secret: str) -> bool:
        """Return whether this is the hash of `secret`. Slow: about a tenth of a second for 130,000 iterations."""
        found = hashlib.pbkdf2_hmac("sha512", secret.encode(), self.salt, self.iterations, len(self.digest))
        return hmac.compare_digest(found, self.digest)


def _decoded(text: str, what: str) -> bytes:
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NotAHashError(f"its {what} is not base64") from error
    if len(decoded) not in LENGTHS:
        raise NotAHashError(
            f"its {what} has {len(decoded)} bytes, and {LENGTHS.start} to {LENGTHS.stop - 1} are allowed"
        )
    return decoded
