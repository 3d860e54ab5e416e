"""When the user last confirmed their identity, and the decorator that asks again before sensitive actions."""

import time
from collections.abc import Callable, Collection, Mapping
from functools import wraps
from typing import Any, Concatenate, TypeVar, cast

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils.http import urlencode

from credentials.models import User
from portal.sign_in import sessions

KEPT_INPUT = "kept_input"
INTERRUPTED = "We asked you to confirm it’s you, so your changes weren’t saved yet. Check them and submit them again."

Request = TypeVar("Request", bound=HttpRequest)


def last_at(request: HttpRequest) -> float:
    """Return when the user last confirmed their identity in this session, in seconds since the epoch."""
    records = get_authentication_records(request, cast("User", request.user))
    return max([float(record["at"]) for record in records] + [sessions.signed_in_at(request)])


def is_recent(request: HttpRequest, *, grace: float = 0) -> bool:
    """Whether that is less than PROOF_LIFETIME ago, `grace` seconds more allowed."""
    return time.time() - last_at(request) < settings.PROOF_LIFETIME.total_seconds() + grace


def recent_proof_required(
    *, keeps: Collection[str] = ()
) -> Callable[[Callable[Concatenate[Request, ...], HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """Ask for the password, a code, or a passkey again if the last confirmation is older than PROOF_LIFETIME.

    A form that is submitted too late isn't saved: its page is shown again with a message. The fields in `keeps`
    (nothing secret) are kept in the session until then; the view gets them with `kept_input`.
    Use it for signed-in users, inside `member_required`, so that strangers learn nothing.
    """

    def decorate(view: Callable[Concatenate[Request, ...], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @wraps(view)
        def guarded(request: Request, *arguments: Any, **named: Any) -> HttpResponseBase:
            if not is_recent(request):
                return _ask(request, keeps)
            _take_kept_input(request)
            return view(request, *arguments, **named)

        return guarded

    return decorate


def kept_input(request: HttpRequest) -> Mapping[str, str]:
    """Return what the user entered in this page's form before the confirmation."""
    return cast("Mapping[str, str]", request.META.get(KEPT_INPUT, {}))


def _ask(request: HttpRequest, keeps: Collection[str]) -> HttpResponseBase:
    if request.method == "POST":
        fields = {name: request.POST[name] for name in keeps if name in request.POST}
        request.session[KEPT_INPUT] = {"path": request.path, "fields": fields}
    methods = get_adapter().get_reauthentication_methods(request.user)
    if methods:
        return HttpResponseRedirect(f"{methods[0]['url']}?{urlencode({'next': request.get_full_path()})}")
    # A user who can only sign in through an identity provider goes there again.
    logout(request)
    lost = " Your changes weren’t saved." if request.method == "POST" else ""
    messages.info(request, f"Sign in again to continue.{lost}")
    return redirect_to_login(request.get_full_path())


def _take_kept_input(request: HttpRequest) -> None:
    kept = request.session.get(KEPT_INPUT)
    if request.method == "GET" and kept and kept["path"] == request.path:
        del request.session[KEPT_INPUT]
        request.META[KEPT_INPUT] = kept["fields"]
        messages.warning(request, INTERRUPTED)
