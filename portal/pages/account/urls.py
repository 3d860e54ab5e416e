"""Sign-in and account pages. Most names are the ones that allauth uses."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.decorators import login_required
from django.urls import URLPattern, URLResolver, include, path
from django.views.decorators.cache import never_cache

from portal.pages.account import providers
from portal.pages.account import views as account
from portal.pages.account.passwords import views as passwords
from portal.pages.account.signing_in import views as sign_in
from portal.pages.account.verification import views as second_factor
from portal.sign_in.proof import recent_proof_required


def _delicate(view: Callable[..., Any]) -> Callable[..., Any]:
    """For signed-in users who recently confirmed their identity. Browsers don't cache the page."""
    return never_cache(login_required(recent_proof_required()(view)))


_sign_in = [
    path("", sign_in.SignIn.as_view(), name="account_login"),
    path("/second-step", sign_in.SecondStep.as_view(), name="mfa_authenticate"),
    path("/passkey", sign_in.PasskeySignIn.as_view(), name="mfa_login_webauthn"),
    path("/check-your-mail", sign_in.CheckYourMail.as_view(), name="account_email_verification_sent"),
    path("/confirm-address", sign_in.ConfirmAddress.as_view(), name="account_confirm_email"),
    path("/again", sign_in.PasswordAgain.as_view(), name="account_reauthenticate"),
    path("/again/code", sign_in.CodeAgain.as_view(), name="mfa_reauthenticate"),
    path("/again/passkey", sign_in.PasskeyAgain.as_view(), name="mfa_reauthenticate_webauthn"),
    path("/with/<slug:provider_id>", providers.start, name="openid_connect_login"),
    path("/with/<slug:provider_id>/callback", providers.callback, name="openid_connect_callback"),
    path("/forgotten-password", passwords.ForgottenPassword.as_view(), name="account_reset_password"),
    path("/forgotten-password/sent", passwords.ForgottenPasswordDone.as_view(), name="account_reset_password_done"),
    path("/new-password", passwords.new_password, name="new-password"),
]

_second_step: list[URLPattern | URLResolver] = [
    path("", second_factor.second_step, name="second-step"),
    path("/app", _delicate(second_factor.NewApp.as_view()), name="mfa_activate_totp"),
    path("/app/remove", _delicate(second_factor.RemoveApp.as_view()), name="mfa_deactivate_totp"),
    path("/passkeys/new", _delicate(second_factor.NewPasskey.as_view()), name="mfa_add_webauthn"),
    path("/passkeys/<int:pk>/name", _delicate(second_factor.RenamePasskey.as_view()), name="mfa_edit_webauthn"),
    path("/passkeys/<int:pk>/remove", _delicate(second_factor.RemovePasskey.as_view()), name="mfa_remove_webauthn"),
    path("/codes", _delicate(second_factor.RecoveryCodes.as_view()), name="mfa_view_recovery_codes"),
    path("/codes/new", _delicate(second_factor.NewRecoveryCodes.as_view()), name="mfa_generate_recovery_codes"),
]

_account: list[URLPattern | URLResolver] = [
    path("", account.Account.as_view(), name="mfa_index"),
    path("/password", passwords.ChangePassword.as_view(), name="account_change_password"),
    path("/first-password", _delicate(passwords.SetPassword.as_view()), name="account_set_password"),
    path("/second-step", include(_second_step)),
    path("/sessions", account.session_list, name="sessions"),
    path("/sessions/<int:session_id>/end", account.end_session, name="session-end"),
    path("/sessions/end-others", account.end_other_sessions, name="sessions-end-others"),
    path("/session", account.session_time, name="session-time"),
]

urlpatterns = [
    path("sign-in", include(_sign_in)),
    path("sign-out", sign_in.SignOut.as_view(), name="account_logout"),
    path("account", include(_account)),
]
