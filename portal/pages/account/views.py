"""The user's own account: verification methods and sessions."""

from typing import Any, cast

from allauth.mfa.base import views as mfa
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from credentials.actor import Actor
from credentials.models import Membership, User
from credentials.trail import audit
from portal.sign_in import browsers, personal_events, second_factor, sessions


@method_decorator(never_cache, name="dispatch")
class Account(mfa.IndexView):
    """Shows the password, verification methods, linked providers, and sessions."""

    def get_context_data(self, **named: Any) -> dict[str, Any]:
        user = cast("User", self.request.user)
        asking = [each.organization for each in Membership.objects.of_user(user) if second_factor.is_asked_for(each)]
        context = super().get_context_data(**named)
        codes = context["authenticators"].get("recovery_codes")
        return {
            **context,
            "organizations": asking,
            "has_second_step": second_factor.is_set_up(user),
            "codes_left": len(codes.get_unused_codes()) if codes else 0,
            "linked": SocialAccount.objects.filter(user=user),
            "session_count": len(sessions.of_user(user)),
        }


@never_cache
@require_GET
@login_required
def session_list(request: HttpRequest) -> HttpResponse:
    own = sessions.of_user(cast("User", request.user))
    found = [(session, browsers.in_words(session.user_agent)) for session in own]
    return render(request, "usersessions/usersession_list.html", {"found": found})


@require_POST
@login_required
@transaction.atomic
def end_session(request: HttpRequest, session_id: int) -> HttpResponse:
    """End one of the user's other sessions. To sign out of this one, there is the menu."""
    user = cast("User", request.user)
    session = get_object_or_404(sessions.others(request, user), pk=session_id)
    browser = browsers.in_words(session.user_agent)
    if sessions.end(UserSession.objects.filter(pk=session.pk)):
        personal_events.record(audit.Action.SESSIONS_ENDED, Actor.of_user(user, request), reason="by the user", count=1)
    messages.success(request, f"{browser} was signed out.")
    return redirect("sessions")


@require_POST
@login_required
@transaction.atomic
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    user = cast("User", request.user)
    if ended := sessions.end(sessions.others(request, user)):
        personal_events.record(
            audit.Action.SESSIONS_ENDED, Actor.of_user(user, request), reason="by the user", count=ended
        )
    messages.success(request, "You’re signed out everywhere else.")
    return redirect("sessions")


@never_cache
@require_http_methods(["GET", "POST"])
def session_time(request: HttpRequest) -> JsonResponse:
    """Return how many seconds the session has left. POST counts as activity and extends it."""
    if not request.user.is_authenticated:
        return JsonResponse({"seconds": 0, "can_be_extended": False}, status=401)
    left = sessions.remaining(request)
    return JsonResponse({"seconds": left.seconds, "can_be_extended": left.can_be_extended})
