"""Hands a new secret from the form's answer to the next page, which shows it once.

It waits in the cache under a key that only this session knows, for a few minutes, and whoever takes it destroys it.
"""

import datetime as dt
import hashlib

from django.core.cache import cache
from django.http import HttpRequest

from credentials.models import Client

PATIENCE = dt.timedelta(minutes=5)


def leave(request: HttpRequest, client: Client, secret: str) -> None:
    cache.set(_key(request, client), secret, timeout=PATIENCE.total_seconds())


def take(request: HttpRequest, client: Client) -> str | None:
    """The secret, to exactly one caller; None when it was taken before, waited too long or is another session's."""
    key = _key(request, client)
    secret: str | None = cache.get(key)
    return secret if secret and cache.delete(key) else None


def _key(request: HttpRequest, client: Client) -> str:
    session = hashlib.sha256((request.session.session_key or "").encode()).hexdigest()
    return f"handover:{session}:{client.pk}"
