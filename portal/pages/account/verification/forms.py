"""The forms of two-factor authentication: codes, authenticator apps, passkeys, recovery codes."""

import struct
from typing import Any, cast

from allauth.account.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.forms import GenerateRecoveryCodesForm
from allauth.mfa.totp.forms import ActivateTOTPForm, DeactivateTOTPForm
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    EditWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from django import forms
from django.conf import settings
from django.core.cache import cache

from portal.pages.rendering import UswdsRenderer

NAME_LENGTH = 64
PASSKEY_REFUSED = "The passkey wasn’t accepted. Try again, or sign in another way."
CODE_ATTRIBUTES = {"autocomplete": "one-time-code", "autofocus": True, "spellcheck": "false", "maxlength": 16}
STEP_SECONDS = 30


class _Codes(forms.Form):
    """The base of forms that take a code."""

    default_renderer = UswdsRenderer

    user: Any

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        code = self.fields["code"]
        code.label = "Code"
        code.widget.attrs = {**CODE_ATTRIBUTES, "inputmode": "numeric"}
        code.error_messages |= {"required": "Enter the code."}

    def clean_code(self) -> str:
        """Return the code. Each code is accepted only once."""
        code = cast("str", super().clean_code())  # type: ignore[misc]  # of the form that this is mixed into
        steps = 2 * settings.MFA_TOTP_TOLERANCE + 1
        characters = "".join(filter(str.isalnum, code)).lower()  # as allauth compares them
        if not cache.add(f"code-used:{self.user.pk}:{characters}", 1, timeout=steps * STEP_SECONDS):
            raise get_adapter().validation_error("incorrect_code")
        return code


class CodeForm(_Codes, AuthenticateForm):
    """The verification step at sign-in: a code from the app, or a recovery code."""


class CodeAgainForm(_Codes, ReauthenticateForm):
    pass


class NewAppForm(_Codes, ActivateTOTPForm):
    """The first code of a new authenticator app."""


class RemoveAppForm(DeactivateTOTPForm):
    default_renderer = UswdsRenderer


class NewRecoveryCodesForm(GenerateRecoveryCodesForm):
    default_renderer = UswdsRenderer


class _Passkeys(forms.Form):
    """The base of forms that take a passkey's response. static/js/passkeys.js fills in the hidden field."""

    default_renderer = UswdsRenderer

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["credential"].error_messages |= {"required": PASSKEY_REFUSED, "invalid": PASSKEY_REFUSED}


class PasskeyForm(_Passkeys, AuthenticateWebAuthnForm):
    def clean_credential(self) -> Authenticator:
        return cast("Authenticator", _in_our_words(super().clean_credential))


class PasskeyAgainForm(_Passkeys, ReauthenticateWebAuthnForm):
    def clean_credential(self) -> Authenticator:
        return cast("Authenticator", _in_our_words(super().clean_credential))


class PasskeySignInForm(_Passkeys, LoginWebAuthnForm):
    def clean_credential(self) -> Authenticator:
        return cast("Authenticator", _in_our_words(super().clean_credential))


class NewPasskeyForm(_Passkeys, AddWebAuthnForm):
    """A new passkey. It can replace the password if the device can check a fingerprint, face, or PIN."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        del self.fields["passwordless"]
        name = self.fields["name"]
        name.label = "Name"
        name.help_text = "A name that helps you recognize it, for example “Work laptop” or “Blue key”."
        cast("forms.CharField", name).max_length = NAME_LENGTH
        name.widget.attrs = {"autocomplete": "off", "maxlength": NAME_LENGTH}

    def clean(self) -> dict[str, Any]:
        return cast("dict[str, Any]", _in_our_words(super().clean))


class PasskeyNameForm(EditWebAuthnForm):
    default_renderer = UswdsRenderer

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        name = self.fields["name"]
        name.label = "Name"
        name.widget.attrs = {"autocomplete": "off", "maxlength": NAME_LENGTH}
        name.error_messages |= {"required": "Enter a name for the passkey."}


def _in_our_words(check: Any) -> Any:
    """Return `check()`, with allauth's errors in our words. Allauth also fails on responses that no browser sends."""
    try:
        return check()
    except forms.ValidationError as error:
        if error.code == "incorrect_code":
            raise forms.ValidationError(PASSKEY_REFUSED, code="passkey_refused") from error
        raise
    except (AttributeError, KeyError, TypeError, ValueError, struct.error) as error:
        raise forms.ValidationError(PASSKEY_REFUSED, code="passkey_refused") from error
