"""Hands a new secret from the form to the next page, which shows it once.

For a few minutes it is kept in the cache, encrypted. The key is in a cookie that the browser sends only to that page.
So no copy of the cache or the database contains a secret that anyone could use. Taking the secret deletes it.
"""

import hashlib
import secrets
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse

from credentials.lifetimes import SECRET_TO_BE_SHOWN
from credentials.models import Client

COOKIE = "claimsgate_handover"

_KEY_BYTES = 32
_NONCE_BYTES = 12


def leave(request: HttpRequest, response: HttpResponse, client: Client, secret: str) -> None:
    """Store the secret for the page that `response` redirects to, and set the key as its cookie."""
    key, nonce = secrets.token_bytes(_KEY_BYTES), secrets.token_bytes(_NONCE_BYTES)
    place = _place(request, client)
    cache.set(
        place,
        nonce + AESGCM(key).encrypt(nonce, secret.encode(), place.encode()),
        timeout=SECRET_TO_BE_SHOWN.total_seconds(),
    )
    response.set_cookie(
        COOKIE,
        key.hex(),
        max_age=SECRET_TO_BE_SHOWN,
        path=urlsplit(response["Location"]).path,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )


def take(request: HttpRequest, client: Client) -> str | None:
    """Return the secret to exactly one caller; None if it was taken, is too old, or belongs to another browser."""
    place = _place(request, client)
    waiting: bytes | None = cache.get(place)
    try:
        secret = _deciphered(waiting or b"", request.COOKIES.get(COOKIE, ""), place)
    except (InvalidTag, ValueError):
        return None
    return secret if cache.delete(place) else None


def forget(request: HttpRequest, response: HttpResponse) -> None:
    """Delete the key from the browser. It's no longer needed."""
    response.delete_cookie(COOKIE, path=request.path, samesite="Strict")


def _deciphered(waiting: bytes, key: str, place: str) -> str:
    """Return the secret. Raises InvalidTag and ValueError if the key is wrong or nothing is stored."""
    nonce, enciphered = waiting[:_NONCE_BYTES], waiting[_NONCE_BYTES:]
    return AESGCM(bytes.fromhex(key)).decrypt(nonce, enciphered, place.encode()).decode()


def _place(request: HttpRequest, client: Client) -> str:
    session = hashlib.sha256((request.session.session_key or "").encode()).hexdigest()
    return f"handover:{session}:{client.pk}"
