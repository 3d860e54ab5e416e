"""The sign-in forms: email address and password, and the password again."""

from typing import Any

from allauth.account.forms import LoginForm, ReauthenticateForm
from django import forms

from portal.pages.rendering import UswdsRenderer


class SignInForm(LoginForm):
    """Email address and password. The error is always the same, so it doesn't reveal who has an account."""

    default_renderer = UswdsRenderer

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        login, password = self.fields["login"], self.fields["password"]
        login.label = "Email address"
        login.widget = forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True, "maxlength": 254})
        login.error_messages |= {
            "required": "Enter your email address.",
            "invalid": "Enter a valid email address, for example name@organization.org.",
        }
        password.help_text = ""
        password.widget.attrs.pop("placeholder", None)
        password.error_messages |= {"required": "Enter your password."}


class PasswordAgainForm(ReauthenticateForm):
    default_renderer = UswdsRenderer

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        password = self.fields["password"]
        password.label = "Password"
        password.help_text = ""
        password.widget.attrs = {"autocomplete": "current-password", "autofocus": True}
        password.error_messages |= {"required": "Enter your password."}
