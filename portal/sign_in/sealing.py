"""Encrypts data that a copy of the database must not reveal: the keys of authenticator apps, and sessions, which may
contain such a key during setup or the link to set a password.

The encryption key is derived from SECRET_KEY. If you change SECRET_KEY, keep the old one in SECRET_KEY_FALLBACKS.
"""

import base64
import functools

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

# Data encrypted for one purpose can't be decrypted for another.
SECOND_FACTOR = "claimsgate second factor"
SESSION = "claimsgate session"


class SealBrokenError(RuntimeError):
    """The data can't be decrypted: it was encrypted with another SECRET_KEY."""


def seal(text: str, *, purpose: str = SECOND_FACTOR) -> str:
    return _seals(purpose).encrypt(text.encode()).decode()


def unseal(sealed: str, *, purpose: str = SECOND_FACTOR) -> str:
    """Return the text. Raises SealBrokenError."""
    try:
        return _seals(purpose).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise SealBrokenError(
            "The two-factor authentication of a user was encrypted with another SECRET_KEY. Add that key to "
            "SECRET_KEY_FALLBACKS, or remove it: `python manage.py remove_second_factor EMAIL`."
        ) from error


def _seals(purpose: str) -> MultiFernet:
    return MultiFernet([_fernet(key, purpose) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


@functools.lru_cache(maxsize=16)
def _fernet(key: str, purpose: str) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))
