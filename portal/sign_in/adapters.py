"""How allauth is adapted: who can sign in, what is recorded, which messages and emails are sent."""

import logging
from datetime import timedelta
from typing import Any, cast

import requests
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialAccount, SocialLogin
from allauth.socialaccount.providers.base.constants import AuthError
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.http import url_has_allowed_host_and_scheme

from credentials import database
from credentials.access.limits import Excess
from credentials.access.middleware import client_address
from credentials.access.reasons import Reason
from credentials.actor import Actor
from credentials.models import User
from credentials.people import invitations
from credentials.people.invitations import InvitationOverError
from credentials.trail import audit
from portal.mail import links, personal, tasks
from portal.sign_in import attempts, browsers, invited, mail_addresses, personal_events, proof, sealing, sessions

logger = logging.getLogger(__name__)

# A confirmation may become too old between a view's check and allauth's.
GRACE_SECONDS = 60.0
STATE_LENGTH = 40  # Login.gov asks for 22 at least

# The messages that allauth shows. Others aren't shown.
TEXTS = {
    "account/messages/email_confirmation_failed.txt": (
        "We couldn’t confirm this email address. Ask the Claimsgate operators."
    ),
    "account/messages/email_confirmed.txt": "Your email address {email} is confirmed.",
    "account/messages/logged_out.txt": "You’re signed out.",
    "account/messages/password_changed.txt": "Your password was changed. You’re signed out everywhere else.",
    "account/messages/password_set.txt": "Your password was set. You’re signed out everywhere else.",
    "mfa/messages/totp_activated.txt": "Your authenticator app is set up.",
    "mfa/messages/totp_deactivated.txt": "Your authenticator app was removed.",
    "mfa/messages/webauthn_added.txt": "Your passkey is set up.",
    "mfa/messages/webauthn_removed.txt": "The passkey was removed.",
}


class AccountAdapter(DefaultAccountAdapter):
    """Passwords, sign-in, and email."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": "The email address or password is wrong. Check both and try again.",
        "enter_current_password": "This isn’t your current password. Check it and try again.",
        "incorrect_code": "This code is wrong or already used. Wait for the next code and try again.",
        "incorrect_password": "This isn’t your password. Check it and try again.",
        "rate_limited": "Too many attempts. Wait 5 minutes and try again.",
        "too_many_login_attempts": "Too many attempts. Wait 5 minutes and try again.",
    }

    # --- Who can sign in ---

    def is_open_for_signup(self, request: HttpRequest) -> bool:  # noqa: ARG002  # allauth's signature
        """Return False: users are invited and can't sign up."""
        return False

    def is_ajax(self, request: HttpRequest) -> bool:  # noqa: ARG002  # allauth's signature
        """Return False, so no JSON response repeats the user's input."""
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        return client_address(request)

    def is_safe_url(self, url: str | None) -> bool:
        """Whether `url` is a path of this site."""
        return bool(url) and str(url).startswith("/") and url_has_allowed_host_and_scheme(str(url), allowed_hosts=None)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        email = str(credentials.get("email", ""))
        if excess := attempts.spend(request, email):
            known = User.objects.filter(email__iexact=email).first()
            if known and excess.is_first:
                personal_events.record_refusal(Actor.of_user(known, request), reason=Reason.TOO_MANY_TRIES)
            raise ValidationError(_wait(excess), code="too_many_login_attempts")

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        known = User.objects.filter(email__iexact=str(credentials.get("email", ""))).first()
        if known:
            reason = Reason.WRONG_PASSWORD if known.is_active else Reason.SWITCHED_OFF
            personal_events.record_refusal(Actor.of_user(known, request), reason=reason)

    def is_reauthentication_required(self, *, app: str, **_: Any) -> bool:  # noqa: ARG002  # allauth's signature
        return not proof.is_recent(self.request, grace=GRACE_SECONDS)

    def get_reauthentication_methods(self, user: User | AnonymousUser) -> list[dict[str, Any]]:
        """Return the methods that we have a text for, in allauth's order."""
        words = {
            "reauthenticate": "Use your password",
            "mfa_reauthenticate": "Use a code from your authenticator app, or a recovery code",
            "mfa_reauthenticate:webauthn": "Use a passkey",
        }
        methods = super().get_reauthentication_methods(user)
        return [{**method, "description": words[method["id"]]} for method in methods if method["id"] in words]

    # --- What happens then ---

    def pre_login(self, request: HttpRequest, user: User, **facts: Any) -> HttpResponse | None:
        """The password was correct. Another step may follow before the user is signed in."""
        mail_addresses.current(user)
        if request.session.session_key:
            request.session.cycle_key()
        return super().pre_login(request, user, **facts)

    def login(self, request: HttpRequest, user: User) -> None:
        super().login(request, user)
        sessions.begin(request)

    def post_login(self, request: HttpRequest, user: User, **facts: Any) -> HttpResponse:
        sociallogin = (facts.get("signal_kwargs") or {}).get("sociallogin")
        with transaction.atomic():
            if sociallogin is not None and sociallogin.account.pk is None:
                _link(request, user, sociallogin)
            response = super().post_login(request, user, **facts)
            means = _means(request, user)
            personal_events.record(audit.Action.SIGNED_IN, Actor.of_user(user, request), by_means_of=means)
        attempts.remember_browser(request, response, user)
        return response

    def logout(self, request: HttpRequest) -> None:
        user, key = cast("User", request.user), request.session.session_key
        with transaction.atomic():
            ended = sessions.end(sessions.by_key(key))
            super().logout(request)
            if ended:
                personal_events.record(audit.Action.SESSIONS_ENDED, Actor.of_user(user, request), reason="signed out")

    def respond_user_inactive(self, request: HttpRequest, user: User) -> HttpResponse:
        personal_events.record_refusal(Actor.of_user(user, request), reason=Reason.SWITCHED_OFF)
        messages.error(
            request, "Your account is turned off, so you can’t sign in. Ask the Claimsgate operators for the reason."
        )
        return HttpResponseRedirect(reverse("account_login"))

    # --- Messages and emails ---

    def add_message(  # noqa: PLR0917  # allauth's signature
        self,
        request: HttpRequest,
        level: int,
        message_template: str | None = None,
        message_context: dict[str, Any] | None = None,
        extra_tags: str = "",
        message: str | None = None,
    ) -> None:
        text = message or TEXTS.get(message_template or "", "").format(**(message_context or {}))
        if text:
            messages.add_message(request, level, text, extra_tags=extra_tags)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        personal.write(template_prefix, email, context)
        tasks.send_soon()

    def send_notification_mail(
        self,
        template_prefix: str,
        user: User,
        context: dict[str, Any] | None = None,
        email: str | None = None,  # noqa: ARG002  # allauth's signature; a user has one email address
    ) -> None:
        """Email the user about a change in how they sign in."""
        facts = {
            "person": user,
            "at": timezone.now(),
            "address": client_address(self.request),
            "browser": browsers.in_words(self.request.headers.get("User-Agent", "")),
        }
        self.send_mail(template_prefix, user.email, {**facts, **(context or {})})

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:  # noqa: ARG002
        return links.confirmation_url(emailconfirmation.key)


class SecondFactorAdapter(DefaultMFAAdapter):
    """Authenticator apps, passkeys, and recovery codes. Their keys are encrypted in the database."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": "This code is wrong or already used. Wait for the next code and try again.",
        "unverified_email": "Confirm your email address first: sign out, then sign in again, and we’ll email you.",
    }

    def encrypt(self, text: str) -> str:
        return sealing.seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        return sealing.unseal(encrypted_text)

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:  # noqa: A002  # allauth's name
        return f"Passkey {Authenticator.objects.filter(user=user, type=type).count() + 1}"

    def _get_site_name(self) -> str:
        return "Claimsgate"


class ProviderAdapter(DefaultSocialAccountAdapter):
    """Sign-in through an OpenID Connect provider, only for existing users and invited users."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:  # noqa: ARG002
        return False

    def generate_state_param(self, state: dict[str, Any]) -> str:  # noqa: ARG002  # allauth's signature
        return get_random_string(STATE_LENGTH)

    def authenticate_by_email(self, sociallogin: SocialLogin) -> None:  # noqa: ARG002  # allauth's signature
        """Do nothing: `pre_social_login` decides."""
        return

    def get_requests_session(self) -> requests.Session:
        """Return the HTTP session for calls to a provider, which can take long."""
        database.give_back()
        return cast("requests.Session", super().get_requests_session())

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Find the user: the linked one, or the one with the verified email address, to be linked."""
        if sociallogin.is_existing:
            return
        addresses = sociallogin.email_addresses
        verified = [address.email for address in addresses if address.verified is True]
        known = User.objects.filter(email__iexact=verified[0], is_active=True).first() if verified else None
        known = known or _invited(request, verified)
        if known is None:
            raise _back_to_sign_in(request, _why_not(sociallogin.provider.name, verified))
        sociallogin.user = known

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002  # allauth's signature
    ) -> None:
        if error == AuthError.CANCELLED:
            raise _back_to_sign_in(
                request,
                f"You weren’t signed in, because that was cancelled at {provider.name}. "
                "Try again, or sign in with your password.",
            )
        logger.warning("Signing in through %s failed: %s", provider.sub_id, exception or error)
        raise _back_to_sign_in(
            request, f"We couldn’t sign you in with {provider.name}. Try again, or sign in with your password."
        )


def _invited(request: HttpRequest, verified: list[str]) -> User | None:
    """Return a new user if this browser has an open invitation to the verified email address; otherwise None."""
    key = invited.key(request)
    if key is None or not verified:
        return None
    try:
        return invitations.make_account(key, email=verified[0])
    except InvitationOverError:
        return None


def _wait(excess: Excess) -> str:
    minutes = -(-excess.retry_after // int(timedelta(minutes=1).total_seconds()))
    return (
        f"Too many attempts. Wait {minutes} minute{'' if minutes == 1 else 's'} and try again. "
        "You can still sign in with a passkey."
    )


def _means(request: HttpRequest, user: User) -> list[str]:
    """Return the methods used at sign-in: password, totp, webauthn, recovery_codes, or a provider's ID."""
    records = get_authentication_records(request, user)
    return [str(record.get("type") or record.get("provider") or record["method"]) for record in records]


def _link(request: HttpRequest, user: User, sociallogin: SocialLogin) -> None:
    """Link the provider's account to the user, whatever email address it has later."""
    if not mail_addresses.is_verified(user):
        # Whoever set this password wasn't verified as the user.
        user.set_unusable_password()
        user.save(update_fields=["password"])
        update_session_auth_hash(request, user)
        mail_addresses.note_verified(user)
    account: SocialAccount = sociallogin.account
    account.user = user
    account.save()
    personal_events.record(audit.Action.SIGN_IN_LINKED, Actor.of_user(user, request), provider=account.provider)
    AccountAdapter(request).send_notification_mail(
        "socialaccount/email/account_connected", user, {"provider": sociallogin.provider.name}
    )


def _why_not(provider: str, verified: list[str]) -> str:
    if not verified:
        return (
            f"Your email address isn’t verified at {provider}. Verify it there and try again, "
            "or sign in with your password."
        )
    return (
        f"Your email address at {provider} is {verified[0]}, and no Claimsgate account uses it. Sign in with the email "
        "address you were invited with, or ask the Claimsgate operators."
    )


def _back_to_sign_in(request: HttpRequest, text: str) -> ImmediateHttpResponse:
    messages.error(request, text)
    return ImmediateHttpResponse(HttpResponseRedirect(reverse("account_login")))
