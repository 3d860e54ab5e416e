"""The sessions of users: how long they last, which exist, and how they end."""

import datetime as dt
import time
from dataclasses import dataclass

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from credentials.access.middleware import client_address
from credentials.models import User

SIGNED_IN_AT = "signed_in_at"
SEEN_AT = "seen_at"
# Not every request is recorded: a session may end this much too early, never too late.
RESOLUTION = dt.timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Remaining:
    """How long a session still lasts, and whether a request extends it."""

    seconds: int
    can_be_extended: bool


def begin(request: HttpRequest) -> None:
    """Start the session's time. Called at sign-in."""
    request.session[SIGNED_IN_AT] = request.session[SEEN_AT] = time.time()


def signed_in_at(request: HttpRequest) -> float:
    """Return when the user signed in, in seconds since the epoch; 0 if unknown."""
    return float(request.session.get(SIGNED_IN_AT, 0))


def remaining(request: HttpRequest) -> Remaining:
    now = time.time()
    until_idle = request.session.get(SEEN_AT, now) + settings.SESSION_IDLE.total_seconds()
    until_end = request.session.get(SIGNED_IN_AT, now) + settings.SESSION_AT_MOST.total_seconds()
    return Remaining(seconds=int(min(until_idle, until_end) - now), can_be_extended=until_idle < until_end)


def note_activity(request: HttpRequest) -> None:
    """Record that the user is active."""
    now = time.time()
    if SIGNED_IN_AT not in request.session:
        begin(request)
        UserSession.objects.create_from_request(request)
    elif now - request.session[SEEN_AT] >= RESOLUTION.total_seconds():
        request.session[SEEN_AT] = now
        UserSession.objects.filter(session_key=request.session.session_key).update(
            last_seen_at=timezone.now(), ip=client_address(request)
        )


def by_key(session_key: str | None) -> "QuerySet[UserSession]":
    return UserSession.objects.filter(session_key=session_key or "")


def every(user: User) -> "QuerySet[UserSession]":
    """Return all sessions of a user, ended or not."""
    return UserSession.objects.filter(user=user)


def of_user(user: User) -> list[UserSession]:
    """Return the user's active sessions, last used first. Sessions that are over are deleted."""
    now = timezone.now()
    is_idle = Q(last_seen_at__lt=now - settings.SESSION_IDLE - RESOLUTION)
    is_over = Q(created_at__lt=now - settings.SESSION_AT_MOST)
    end(every(user).filter(is_idle | is_over))
    found: list[UserSession] = UserSession.objects.purge_and_list(user)
    return sorted(found, key=lambda session: session.last_seen_at, reverse=True)


@transaction.atomic
def end(sessions: "QuerySet[UserSession]") -> int:
    """End the sessions. Return how many there were. With several callers, each session is ended once."""
    ended = list(sessions.select_for_update().order_by("pk"))
    for session in ended:
        session.end()
    return len(ended)


def others(request: HttpRequest, user: User) -> "QuerySet[UserSession]":
    """Return all sessions of a user except the one of the request."""
    return every(user).exclude(session_key=request.session.session_key or "")


def rotate(request: HttpRequest) -> None:
    """Give the session a new ID, so that the old one is useless."""
    old = request.session.session_key
    request.session.cycle_key()
    follow(request, old)


def follow(request: HttpRequest, old_key: str | None) -> None:
    """Move the session's row to its new ID."""
    new_key = request.session.session_key
    if old_key and new_key and new_key != old_key:
        UserSession.objects.filter(session_key=new_key).delete()
        UserSession.objects.filter(session_key=old_key).update(session_key=new_key)


def forget_ended() -> None:
    """Delete the rows of sessions that are over."""
    Session.objects.filter(expire_date__lt=timezone.now()).delete()
    UserSession.objects.exclude(session_key__in=Session.objects.values("session_key")).delete()
