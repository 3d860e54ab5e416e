"""The user's own verification methods: set up, view, remove."""

from typing import Any, cast

from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import record_authentication
from allauth.account.utils import get_next_redirect_url, passthrough_next_redirect_url
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from allauth.mfa.webauthn import views as webauthn
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse, reverse_lazy
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from credentials.actor import Actor
from credentials.models import Membership, User
from credentials.trail import audit
from portal.pages.account.signing_in.views import ActsOnGet, RefusedForms
from portal.sign_in import personal_events, second_factor, sessions


@never_cache
@require_GET
@login_required
def second_step(request: HttpRequest) -> HttpResponse:
    """Sends the user to set up a verification method or to complete the verification step, then to `next`."""
    going_to = get_next_redirect_url(request) or reverse("mfa_index")
    user = cast("User", request.user)
    if second_factor.is_shown(request):
        return redirect(going_to)
    if second_factor.is_set_up(user):
        methods = [each for each in get_adapter().get_reauthentication_methods(user) if each["id"] != "reauthenticate"]
        return HttpResponseRedirect(f"{methods[0]['url']}?{urlencode({'next': going_to})}")
    asking = [each.organization for each in Membership.objects.of_user(user) if second_factor.is_asked_for(each)]
    return render(request, "mfa/second_step.html", {"organizations": asking, "going_to": going_to})


class OneAtATime:
    """A change of the user's verification methods, made only if they haven't changed since the request arrived.

    Of several requests at the same time, only one takes effect; `note` records it.
    """

    request: HttpRequest

    def setup(self, request: HttpRequest, *arguments: Any, **named: Any) -> None:
        super().setup(request, *arguments, **named)  # type: ignore[misc]  # a view's
        self._before = _second_steps(request)

    def form_valid(self, form: Any) -> HttpResponse:
        with transaction.atomic():
            personal_events.lock(cast("User", self.request.user))
            if _second_steps(self.request) != self._before:
                messages.warning(
                    self.request, "Your two-factor authentication just changed. Check it before you change it again."
                )
                return redirect("mfa_index")
            response: HttpResponse = super().form_valid(form)  # type: ignore[misc]  # a view's
            self.note()
        return response

    def note(self) -> None:
        raise NotImplementedError


class NewApp(ActsOnGet, OneAtATime, RefusedForms, totp.ActivateTOTPView):
    """A QR code for an authenticator app, the key as text, and the app's first code."""

    def get_context_data(self, **named: Any) -> dict[str, Any]:
        context = super().get_context_data(**named)
        secret = context["form"].secret
        return {**context, "secret": " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))}

    def get_success_url(self) -> str:
        return _after(self.request, made_codes=self.did_generate_recovery_codes)

    def note(self) -> None:
        _note_added(self.request, Authenticator.objects.get(user=self.request.user, type=Authenticator.Type.TOTP))


class RemoveApp(OneAtATime, RefusedForms, totp.DeactivateTOTPView):
    def note(self) -> None:
        _note_removed(self.request, Authenticator.Type.TOTP)

    def get_context_data(self, **named: Any) -> dict[str, Any]:
        return {**super().get_context_data(**named), **_what_is_left(self.request, self.authenticator)}


class NewPasskey(ActsOnGet, OneAtATime, RefusedForms, webauthn.AddWebAuthnView):
    def get_context_data(self, **named: Any) -> dict[str, Any]:
        form = named.get("form") or self.get_form()
        return {**super().get_context_data(**named), "form": form}

    def get_success_url(self) -> str:
        return _after(self.request, made_codes=self.did_generate_recovery_codes)

    def note(self) -> None:
        added = Authenticator.objects.filter(user=self.request.user, type=Authenticator.Type.WEBAUTHN).latest("pk")
        _note_added(self.request, added)


class RenamePasskey(RefusedForms, webauthn.EditWebAuthnView):
    success_url = reverse_lazy("mfa_index")


class RemovePasskey(OneAtATime, webauthn.RemoveWebAuthnView):
    success_url = reverse_lazy("mfa_index")

    def note(self) -> None:
        _note_removed(self.request, Authenticator.Type.WEBAUTHN)

    def get_context_data(self, **named: Any) -> dict[str, Any]:
        return {**super().get_context_data(**named), **_what_is_left(self.request, self.object)}


class RecoveryCodes(ActsOnGet, recovery_codes.ViewRecoveryCodesView):
    """Shows the codes once. After that, shows only how many are left."""

    def get_context_data(self, **named: Any) -> dict[str, Any]:
        context = super().get_context_data(**named)
        going_to = get_next_redirect_url(self.request)
        return {
            **context,
            "going_to": going_to or reverse("mfa_index"),
            "is_on_the_way": bool(going_to),
            "file": "".join(f"{code}\n" for code in context["unused_codes"]) if context["can_view_codes"] else "",
        }


class NewRecoveryCodes(OneAtATime, RefusedForms, recovery_codes.GenerateRecoveryCodesView):
    def note(self) -> None:
        user = cast("User", self.request.user)
        personal_events.record(audit.Action.RECOVERY_CODES_MADE, Actor.of_user(user, self.request))


def _second_steps(request: HttpRequest) -> list[Any]:
    """Return the user's authenticators, without their last use."""
    found = Authenticator.objects.filter(user=request.user.pk).order_by("pk")
    return list(found.values_list("pk", "data"))


def _note_added(request: HttpRequest, added: Authenticator) -> None:
    """Setting up a method counts as verification in this session. All other sessions end."""
    user = cast("User", request.user)
    record_authentication(request, user, "mfa", id=added.pk, type=added.type, reauthenticated=True)
    sessions.rotate(request)
    ended = sessions.end(sessions.others(request, user))
    personal_events.record(
        audit.Action.SECOND_FACTOR_ADDED, Actor.of_user(user, request), kind=added.type, sessions_ended=ended
    )


def _note_removed(request: HttpRequest, kind: str) -> None:
    personal_events.record(audit.Action.SECOND_FACTOR_REMOVED, Actor.of_request(request), kinds=[kind])


def _after(request: HttpRequest, *, made_codes: bool) -> str:
    """Return the next URL after setup: the recovery codes first, if they were just created."""
    if made_codes:
        return passthrough_next_redirect_url(request, reverse("mfa_view_recovery_codes"), "next")
    return get_next_redirect_url(request) or reverse("mfa_index")


def _what_is_left(request: HttpRequest, authenticator: Authenticator) -> dict[str, Any]:
    """Return whether this is the last method, and which organizations require one."""
    user = cast("User", request.user)
    others = Authenticator.objects.filter(user=user).exclude(pk=authenticator.pk)
    is_last = not others.exclude(type=Authenticator.Type.RECOVERY_CODES).exists()
    asking = [each.organization for each in Membership.objects.of_user(user) if second_factor.is_asked_for(each)]
    return {"is_last": is_last, "organizations": asking if is_last else []}
