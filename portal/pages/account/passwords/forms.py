"""The forms to set a password. They have one field, since the password can be shown (static/js/reveal.js)."""

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.forms import ChangePasswordForm as AllauthChangePasswordForm
from django import forms
from django.http import HttpRequest

from credentials.models import User
from portal.mail import personal, tasks
from portal.pages.rendering import UswdsRenderer

CHOOSING_HELP = "At least 15 characters. Use 4 or 5 unrelated words, or let your password manager create one."


class ForgottenPasswordForm(forms.Form):
    """Looks up no user, so neither the response nor its time reveals who has an account."""

    default_renderer = UswdsRenderer

    email = forms.EmailField(
        label="Email address",
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
        error_messages={
            "required": "Enter your email address.",
            "invalid": "Enter a valid email address, for example name@organization.org.",
        },
    )

    def save(self, request: HttpRequest) -> None:  # noqa: ARG002  # allauth's signature
        personal.ask_for_password_link(self.cleaned_data["email"])
        tasks.send_soon()


def new_password_field(label: str) -> forms.CharField:
    return forms.CharField(
        label=label,
        strip=False,
        help_text=CHOOSING_HELP,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        error_messages={"required": "Enter a new password."},
    )


class FirstPasswordForm(forms.Form):
    """A new password without the old one, for a user who has been verified in another way."""

    default_renderer = UswdsRenderer

    password1 = new_password_field("New password")

    def __init__(self, *arguments: Any, user: User, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.user = user

    def clean_password1(self) -> str:
        return get_adapter().clean_password(self.cleaned_data["password1"], user=self.user)

    def save(self) -> None:
        get_adapter().set_password(self.user, self.cleaned_data["password1"])


class ChangePasswordForm(AllauthChangePasswordForm):
    default_renderer = UswdsRenderer

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        old, new = self.fields["oldpassword"], self.fields["password1"]
        old.label, old.help_text = "Current password", ""
        old.widget.attrs = {"autocomplete": "current-password"}
        old.error_messages |= {"required": "Enter your current password."}
        new.label, new.help_text = "New password", CHOOSING_HELP
        new.widget.attrs = {"autocomplete": "new-password"}
        new.error_messages |= {"required": "Enter a new password."}
        del self.fields["password2"]
