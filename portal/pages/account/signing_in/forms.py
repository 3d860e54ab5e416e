"""The forms of the door: e-mail address and password, and the password again."""

from typing import Any

from allauth.account.forms import LoginForm, ReauthenticateForm
from django import forms

from portal.pages.rendering import UswdsRenderer


class SignInForm(LoginForm):
    """E-mail and password. Whatever is wrong, the answer is the same, so that it tells nobody who has an account."""

    default_renderer = UswdsRenderer

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        login, password = self.fields["login"], self.fields["password"]
        login.label = "E-mail address"
        login.widget = forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True, "maxlength": 254})
        login.error_messages |= {
            "required": "Enter your e-mail address.",
            "invalid": "This is not an e-mail address. An example: name@organization.org.",
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
