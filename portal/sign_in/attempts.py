"""How often a password, or the link of an invitation, can be tried. Nobody can guess one, or lock other users out.

Attempts are counted per user and IP address, per IP address, and per user. Attempts from a browser that the user has
signed in with before are counted separately; a cookie identifies it. So an attacker who tries from everywhere blocks
other strangers, not the user. See docs/decisions/0015.
"""

import hashlib
import secrets

from django.conf import settings
from django.core.signing import BadSignature
from django.http import HttpRequest, HttpResponse

from credentials import lifetimes
from credentials.access import limits
from credentials.access.limits import Budget, Excess
from credentials.access.middleware import client_address
from credentials.models import User

COOKIE_NAME = "claimsgate_known_browser"
_SALT = "portal.attempts.known-browser"


def spend(request: HttpRequest, email: str) -> Excess | None:
    """Count an attempt. Return the exceeded limit, if any. Whether the user exists makes no difference."""
    person = _digest(email)
    if browser := _known_browser(request, person):
        return limits.spend([Budget(f"sign_in.browser:{browser}", settings.LIMIT_SIGN_INS_PER_PERSON_AND_ADDRESS)])
    place = limits.network(client_address(request))
    return limits.spend(
        [
            Budget(f"sign_in.both:{person}:{place}", settings.LIMIT_SIGN_INS_PER_PERSON_AND_ADDRESS),
            Budget(f"sign_in.address:{place}", settings.LIMIT_SIGN_INS_PER_ADDRESS),
            Budget(f"sign_in.person:{person}", settings.LIMIT_SIGN_INS_PER_PERSON),
        ]
    )


def spend_on_invitations(request: HttpRequest) -> Excess | None:
    """Count an opened invitation link, valid or not. Return the exceeded limit, if any."""
    place = limits.network(client_address(request))
    return limits.spend([Budget(f"invitation.address:{place}", settings.LIMIT_SIGN_INS_PER_ADDRESS)])


def remember_browser(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """Remember that the user signed in here. The cookie grants no access; it only separates their attempts."""
    person = _digest(user.email)
    response.set_signed_cookie(
        COOKIE_NAME,
        f"{person}:{_known_browser(request, person) or secrets.token_hex(8)}",
        salt=_SALT,
        max_age=lifetimes.KNOWN_BROWSER,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _known_browser(request: HttpRequest, person: str) -> str | None:
    try:
        value = request.get_signed_cookie(COOKIE_NAME, default="", salt=_SALT, max_age=lifetimes.KNOWN_BROWSER)
    except BadSignature:
        return None
    of_person, _, browser = (value or "").partition(":")
    return browser if of_person == person else None


def _digest(email: str) -> str:
    return hashlib.sha256(email.strip().lower().encode(errors="replace")).hexdigest()[:16]
