"""Remembers which invitation was opened in this browser. The signed link itself isn't stored."""

from django.http import HttpRequest

from credentials.people.invitations import Key

_KEPT = "invitation"


def remember(request: HttpRequest, key: Key | None) -> None:
    """Remember the key instead of an earlier one. An invalid link leaves no session behind."""
    forget(request)
    if key:
        request.session[_KEPT] = [key.invitation, key.nonce]


def key(request: HttpRequest) -> Key | None:
    kept = request.session.get(_KEPT)
    return Key(*kept) if kept else None


def forget(request: HttpRequest) -> None:
    request.session.pop(_KEPT, None)
