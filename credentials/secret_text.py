"""What secrets and tokens look like: a prefix by which secret scanners recognize them, and 256 random bits. Pure.

Only a digest is stored, and the last characters, by which a reader can tell one from another. Nobody guesses the bits,
so the digest needs no slow hash: see docs/decisions/0004.
"""

import enum
import hashlib
import re
import secrets

RANDOM_BYTES = 32
HINT_LENGTH = 4


class Prefix(enum.StrEnum):
    """One for each kind. The first four characters of what is given out."""

    ACCESS_TOKEN = "cgt_"  # noqa: S105  # a prefix, not a token
    CLIENT_SECRET = "cgs_"  # noqa: S105  # a prefix, not a secret
    OPERATOR_TOKEN = "cgo_"  # noqa: S105  # a prefix, not a token


# The beginning of any of them, for a regular expression.
ANY_PREFIX = f"(?:{'|'.join(map(re.escape, Prefix))})"


def new(prefix: Prefix) -> str:
    """Return a new one, which can't be shown again after this."""
    return prefix + secrets.token_hex(RANDOM_BYTES)


def digest(text: str) -> bytes:
    """Return what is stored of it: its SHA-256, 32 bytes."""
    return hashlib.sha256(text.encode()).digest()


def hint(text: str) -> str:
    """Return the last characters, by which it is named on pages, in mail and in the audit trail."""
    return text[-HINT_LENGTH:]
