"""The forms to accept an invitation, for users with an account and for new users."""

from typing import Any

from allauth.account.adapter import get_adapter
from django import forms

from credentials.models import Invitation, User
from portal.pages.account.passwords.forms import new_password_field
from portal.pages.choices import Choice
from portal.pages.rendering import UswdsRenderer
from portal.pages.team.forms import NAME_LENGTH

TAKEN = "taken"
UNTAKEN = "To join, check this box. If you can’t take this responsibility, don’t accept the invitation."


class AcceptanceForm(forms.Form):
    """To join, the user has to accept responsibility."""

    default_renderer = UswdsRenderer

    responsibility = forms.MultipleChoiceField(
        label="Your responsibility",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": UNTAKEN, "invalid_choice": UNTAKEN},
    )

    def __init__(self, *arguments: Any, invitation: Invitation, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.invitation = invitation
        self.fields["responsibility"].choices = [  # type: ignore[attr-defined]  # of this kind of field
            (
                TAKEN,
                Choice(
                    "I’m responsible for the claims data that I have access to",
                    f"I protect it as HIPAA requires. I use it only for the work of {invitation.organization.name}. "
                    "I don’t share it, or any client secret, with anyone who isn’t authorized.",
                ),
            )
        ]


class NewPersonForm(AcceptanceForm):
    name = forms.CharField(
        label="Your name",
        max_length=NAME_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
        error_messages={
            "required": "Enter your name.",
            "max_length": f"Use {NAME_LENGTH} characters or fewer.",
        },
    )
    password1 = new_password_field("Password")

    field_order = ["name", "password1", "responsibility"]

    def clean_password1(self) -> str:
        person = User(email=self.invitation.email, name=self.cleaned_data.get("name", ""))
        return str(get_adapter().clean_password(self.cleaned_data["password1"], user=person))
