"""Sign in, the verification step, sign out, and confirming it's you."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from allauth.account import views as account
from allauth.account.stages import EmailVerificationStage, LoginStageController
from allauth.mfa.base import views as mfa
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn import views as webauthn
from allauth.mfa.webauthn.internal.auth import begin_authentication
from allauth.socialaccount.adapter import get_adapter as get_provider_adapter
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache

from credentials.access.reasons import Reason
from credentials.actor import Actor
from portal.sign_in import personal_events


class RefusedForms:
    """Answers an invalid form with 400, as everywhere in the portal."""

    def form_invalid(self, form: Any) -> HttpResponse:
        response: HttpResponse = super().form_invalid(form)  # type: ignore[misc]  # of the view that this is mixed into
        response.status_code = HTTPStatus.BAD_REQUEST
        return response


class ActsOnGet:
    """A page whose GET has an effect, such as a passkey challenge or codes shown once. So HEAD isn't allowed."""

    http_method_names: Sequence[str] = ("get", "post", "options")


class SignIn(RefusedForms, account.LoginView):
    """Email address and password, a passkey, or a provider. `next` works only within this site."""

    def get_context_data(self, **named: Any) -> dict[str, Any]:
        providers = get_provider_adapter().list_providers(self.request)
        return {**super().get_context_data(**named), "providers": providers}


@method_decorator(never_cache, name="dispatch")
class PasskeySignIn(ActsOnGet, webauthn.LoginWebAuthnView):
    """GET returns the passkey challenge. POST takes the response."""

    def get(self, request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:  # noqa: ARG002  # Django's signature
        return JsonResponse(begin_authentication(user=None))

    def form_invalid(self, form: Any) -> HttpResponse:
        for error in form.errors.get("credential", []):
            messages.error(self.request, error)
        going_to = self.request.POST.get("next")
        query = f"?{urlencode({'next': going_to})}" if going_to else ""
        return HttpResponseRedirect(reverse("account_login") + query)


class SignOut(account.LogoutView):
    """Ends the session, only by POST. Also drops a sign-in that isn't complete."""

    http_method_names = ["post"]


class SecondStep(ActsOnGet, mfa.AuthenticateView):
    """The verification step after the password: a code or a passkey."""

    def get_context_data(self, **named: Any) -> dict[str, Any]:
        user = self.stage.login.user
        kinds = set(Authenticator.objects.filter(user=user).values_list("type", flat=True))
        return {
            **super().get_context_data(**named),
            "person": user,
            "has_app": Authenticator.Type.TOTP in kinds,
            "has_passkey": Authenticator.Type.WEBAUTHN in kinds,
        }

    def form_valid(self, form: Any) -> HttpResponse:
        response: HttpResponse = super().form_valid(form)
        authenticator = getattr(form, "authenticator", None)
        if authenticator and authenticator.type == Authenticator.Type.RECOVERY_CODES:
            authenticator.refresh_from_db()
            left = len(authenticator.wrap().get_unused_codes())
            messages.warning(
                self.request,
                f"You used a recovery code. You have {left} left. "
                "If you lost your device, go to “Your account” and set up two-factor authentication again.",
            )
        return response

    def form_invalid(self, form: Any) -> HttpResponse:
        personal_events.record_refusal(Actor.of_user(self.stage.login.user, self.request), reason=Reason.WRONG_CODE)
        response: HttpResponse = super().form_invalid(form)
        response.status_code = HTTPStatus.BAD_REQUEST
        return response


@method_decorator(never_cache, name="dispatch")
class CheckYourMail(account.EmailVerificationSentView):
    """Shown after the very first sign-in, when an email with a link was sent."""


@method_decorator(never_cache, name="dispatch")
class ConfirmAddress(ActsOnGet, account.ConfirmEmailView):
    """The page behind that link. The user confirms with a button, since some mail servers follow every link."""

    def get_object(self, queryset: Any = None) -> Any:
        self.kwargs["key"] = self.request.GET.get("key", "")
        confirmation = super().get_object(queryset)
        address = confirmation.email_address
        if address.email != address.user.email.lower():
            raise Http404("The user's email address has changed.")
        return confirmation

    def get_context_data(self, **named: Any) -> dict[str, Any]:
        waits_here = bool(LoginStageController.enter(self.request, EmailVerificationStage.key))
        return {**super().get_context_data(**named), "waits_here": waits_here}


# --- Confirm it's you -----------------------------------------------------------------------------------------------


@method_decorator(never_cache, name="dispatch")
class PasswordAgain(RefusedForms, account.ReauthenticateView):
    pass


@method_decorator(never_cache, name="dispatch")
class CodeAgain(RefusedForms, mfa.ReauthenticateView):
    def form_invalid(self, form: Any) -> HttpResponse:
        personal_events.record_refusal(Actor.of_user(form.user, self.request), reason=Reason.WRONG_CODE)
        return super().form_invalid(form)


@method_decorator(never_cache, name="dispatch")
class PasskeyAgain(ActsOnGet, webauthn.ReauthenticateWebAuthnView):
    def form_invalid(self, form: Any) -> HttpResponse:
        """Shows the same page again with the error."""
        for error in form.errors.get("credential", []):
            messages.error(self.request, error)
        return HttpResponseRedirect(self.passthrough_next_url(self.request.path))
