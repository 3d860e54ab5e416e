"""Set a forgotten password by email, or change a known one."""

from typing import Any, cast

from allauth.account import views as account
from allauth.account.adapter import get_adapter
from django.contrib import messages
from django.contrib.auth.tokens import default_token_generator
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import base36_to_int
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from credentials.actor import Actor
from credentials.models import User
from credentials.trail import audit
from portal.pages.account.passwords.forms import FirstPasswordForm
from portal.pages.account.signing_in.views import RefusedForms
from portal.sign_in import mail_addresses, personal_events, sessions

LINK = "new_password_link"
LONGEST_KEY = 13  # digits of the largest primary key in base 36


@method_decorator(never_cache, name="dispatch")
class ForgottenPassword(RefusedForms, account.PasswordResetView):
    """Asks for the email address. The response is the same whether or not an account has it."""


@method_decorator(never_cache, name="dispatch")
class ForgottenPasswordDone(account.PasswordResetDoneView):
    pass


@never_cache
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("password1")
def new_password(request: HttpRequest) -> HttpResponse:
    """The page behind the emailed link. The link is moved to the session, out of the browser's location bar."""
    if "link" in request.GET:
        request.session[LINK] = request.GET["link"]
        return HttpResponseRedirect(request.path)
    with transaction.atomic():
        user = _person(request.session.get(LINK, ""))
        if user is None:
            return render(request, "account/password_reset_from_key.html", {"is_over": True}, status=410)
        form = FirstPasswordForm(request.POST or None, user=user)
        if form.is_valid():
            form.save()
            # Whoever can read the user's email counts as the user.
            mail_addresses.note_verified(user)
            ended = sessions.end(sessions.every(user))
            personal_events.record(
                audit.Action.PASSWORD_CHANGED, Actor.of_user(user, request), by_means_of="mail", sessions_ended=ended
            )
            get_adapter().send_notification_mail("account/email/password_reset", user)
            del request.session[LINK]
            messages.success(request, "Your password was set. Sign in with it.")
            return HttpResponseRedirect(reverse("account_login"))
    context = {"form": form, "person": user}
    return render(request, "account/password_reset_from_key.html", context, status=400 if form.errors else 200)


@method_decorator(never_cache, name="dispatch")
class ChangePassword(RefusedForms, account.PasswordChangeView):
    def form_valid(self, form: Any) -> HttpResponse:
        return _change(self.request, lambda: super(ChangePassword, self).form_valid(form))

    def get_default_success_url(self) -> str:
        return reverse("mfa_index")


class SetPassword(RefusedForms, account.PasswordSetView):
    """A first password for a user who signed in another way."""

    def form_valid(self, form: Any) -> HttpResponse:
        return _change(self.request, lambda: super(SetPassword, self).form_valid(form))

    def get_default_success_url(self) -> str:
        return reverse("mfa_index")


def _change(request: HttpRequest, act: Any) -> HttpResponse:
    """Change the password, end all other sessions, and give this one a new ID."""
    user, old_key = cast("User", request.user), request.session.session_key
    with transaction.atomic():
        if personal_events.lock(user).password != user.password:
            messages.warning(request, "Your password was changed a moment ago. It wasn’t changed again.")
            return HttpResponseRedirect(reverse("mfa_index"))
        response: HttpResponse = act()
        sessions.follow(request, old_key)
        ended = sessions.end(sessions.others(request, user))
        personal_events.record(
            audit.Action.PASSWORD_CHANGED, Actor.of_user(user, request), by_means_of="session", sessions_ended=ended
        )
    return response


def _person(link: str) -> User | None:
    """Return the user whose password the link can set, or None: it works once, for 1 hour, until the next sign-in."""
    key, _, token = link.partition("-")
    if not key or len(key) > LONGEST_KEY:
        return None
    try:
        user = User.objects.select_for_update().filter(pk=base36_to_int(key), is_active=True).first()
    except ValueError:
        return None
    return user if user and default_token_generator.check_token(user, token) else None
