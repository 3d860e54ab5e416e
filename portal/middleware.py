"""Ends sessions that are idle or too old, and gives each error the format of its path."""

from collections.abc import Callable
from http import HTTPStatus
from typing import cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase

from credentials import database
from credentials.actor import Actor
from credentials.models import User
from credentials.operators.token_authentication import SECOND_FACTOR_IS_SHOWN
from credentials.trail import audit
from portal import answers
from portal.sign_in import personal_events, second_factor, sessions

GetResponse = Callable[[HttpRequest], HttpResponseBase]

# Headers of requests that pages send by themselves, without the user.
BACKGROUND = ("HX-Request", "X-Background")


class OwnMediaTypeMiddleware:
    """API clients never get HTML, even from a Django decorator, a library, or an error page.

    Errors get the format of the path's family and keep their headers. A response without a body has no media type.
    A path with NUL is 404 for everyone: PostgreSQL couldn't even be queried.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "\x00" in request.path_info:
            raise Http404
        response = self.get_response(request)
        if not isinstance(response, HttpResponse) or not response.get("Content-Type", "").startswith("text/html"):
            return response
        if answers.family_of(request.path_info) is answers.Family.PAGES:
            return response
        if response.status_code >= HTTPStatus.BAD_REQUEST:
            return _in_own_words(request, response)
        if not response.content:
            del response["Content-Type"]
        return response


class SessionLimitsMiddleware:
    """Signs out users whose session is over, and records activity for the others."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        # API clients have no session, so no database query is made for them.
        if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
            if sessions.remaining(request).seconds <= 0:
                _end(request)
            elif not any(request.headers.get(name) for name in BACKGROUND):
                sessions.note_activity(request)
            request.META[SECOND_FACTOR_IS_SHOWN] = second_factor.is_shown(request)
            # The request body comes next, and it may come slowly.
            database.give_back()
        return self.get_response(request)


def _in_own_words(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    told = answers.error(request, response.status_code)
    if told is None:
        return response
    for name, value in response.items():
        if name not in {"Content-Type", "Content-Length"}:
            told[name] = value
    told.cookies = response.cookies
    return told


def _end(request: HttpRequest) -> None:
    user = cast("User", request.user)
    is_idle = sessions.remaining(request).can_be_extended
    with transaction.atomic():
        ended = sessions.end(sessions.by_key(request.session.session_key))
        logout(request)
        if ended:
            reason = "idle" if is_idle else "time is up"
            personal_events.record(audit.Action.SESSIONS_ENDED, Actor.of_user(user, request), reason=reason)
    messages.info(request, f"You were signed out: {_why(is_idle=is_idle)}{_what_was_lost(request)}")


def _why(*, is_idle: bool) -> str:
    if is_idle:
        return f"you weren’t active for {settings.SESSION_IDLE.total_seconds() / 60:g} minutes."
    return f"you have to sign in again after {settings.SESSION_AT_MOST.total_seconds() / 3600:g} hours."


def _what_was_lost(request: HttpRequest) -> str:
    return " Your last changes weren’t saved." if request.method == "POST" else ""
