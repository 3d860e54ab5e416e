"""How often a password, or the link of an invitation, may be tried: nobody guesses one, and nobody locks others out.

Tries are counted by person and address, and by address. All tries for one person together are counted as well, but not
those from a browser in which the person has signed in before: it is known by a cookie and has a count of its own. So
whoever tries from everywhere at once stops other strangers, and not the person. See docs/decisions/0015.
"""

import datetime as dt
import hashlib
import secrets

from django.conf import settings
from django.core.signing import BadSignature
from django.http import HttpRequest, HttpResponse

from credentials.access import limits
from credentials.access.limits import Budget, Excess
from credentials.access.middleware import client_address
from credentials.models import User

COOKIE_NAME = "claimsgate_known_browser"
COOKIE_LIFETIME = dt.timedelta(days=180)
_SALT = "portal.attempts.known-browser"


def spend(request: HttpRequest, email: str) -> Excess | None:
    """Count a try; what is used up, if something is. Whether there is such a person makes no difference."""
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
    """Count that somebody comes with the link of an invitation, true or not; what is used up, if something is."""
    place = limits.network(client_address(request))
    return limits.spend([Budget(f"invitation.address:{place}", settings.LIMIT_SIGN_INS_PER_ADDRESS)])


def remember_browser(request: HttpRequest, response: HttpResponse, user: User) -> None:
    """The person has signed in here. The cookie lets nobody in; it only keeps others' tries apart from the person's."""
    person = _digest(user.email)
    response.set_signed_cookie(
        COOKIE_NAME,
        f"{person}:{_known_browser(request, person) or secrets.token_hex(8)}",
        salt=_SALT,
        max_age=COOKIE_LIFETIME,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _known_browser(request: HttpRequest, person: str) -> str | None:
    try:
        value = request.get_signed_cookie(COOKIE_NAME, default="", salt=_SALT, max_age=COOKIE_LIFETIME)
    except BadSignature:
        return None
    of_person, _, browser = (value or "").partition(":")
    return browser if of_person == person else None


def _digest(email: str) -> str:
    return hashlib.sha256(email.strip().lower().encode(errors="replace")).hexdigest()[:16]
