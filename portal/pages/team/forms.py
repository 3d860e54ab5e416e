"""The team forms: invite, change a role, remove."""

from typing import Any

from django import forms

from credentials.models import Organization, Role
from portal.pages.choices import Choice
from portal.pages.clients.secrets.forms import CANCEL, KEEP
from portal.pages.rendering import UswdsRenderer

NAME_LENGTH = 150
REVOKE = "revoke"


def _role_field(organization: Organization) -> forms.ChoiceField:
    """Return the field with the program's roles. If there is only one, it is selected."""
    roles = organization.roles
    return forms.ChoiceField(
        label="Role",
        help_text="All roles of your program have the same rights here. Choose the role that they have with CMS.",
        choices=[(role.value, Choice(role.label)) for role in roles],
        initial=roles[0].value if len(roles) == 1 else None,
        widget=forms.RadioSelect,
        error_messages={"required": "Choose a role.", "invalid_choice": "Choose one of these roles."},
    )


class InvitationForm(forms.Form):
    """Who to invite. credentials.invitations checks the email address again."""

    default_renderer = UswdsRenderer

    email = forms.EmailField(
        label="Email address",
        help_text="Their own email address at your organization. We send the link only to this email address.",
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
        error_messages={
            "required": "Enter their email address.",
            "invalid": "Enter a valid email address, for example name@organization.org.",
        },
    )
    name = forms.CharField(
        label="Name (optional)",
        help_text="Helps you recognize the invitation. They can change it when they join.",
        max_length=NAME_LENGTH,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"max_length": f"Use {NAME_LENGTH} characters or fewer."},
    )

    def __init__(self, *arguments: Any, organization: Organization, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.only_role = organization.roles[0] if len(organization.roles) == 1 else None
        if self.only_role is None:
            self.fields["role"] = _role_field(organization)

    @property
    def role(self) -> Role:
        return self.only_role or Role(self.cleaned_data["role"])


class RoleForm(forms.Form):
    default_renderer = UswdsRenderer

    def __init__(self, *arguments: Any, organization: Organization, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.fields["role"] = _role_field(organization)


class RemovalForm(forms.Form):
    """What should happen to the user's API credentials, and to the exports of those that are revoked."""

    default_renderer = UswdsRenderer

    made = forms.ChoiceField(
        label="What should happen to these API credentials?",
        choices=[
            (
                KEEP,
                Choice(
                    "Keep them",
                    "Your systems keep working. They may still know the secrets, so rotate each secret soon.",
                ),
            ),
            (
                REVOKE,
                Choice(
                    "Revoke them",
                    "Choose this if you no longer trust them. Systems that use them can’t download anything "
                    "until you give them new ones. You can’t undo this.",
                ),
            ),
        ],
        initial=KEEP,
        required=False,
        widget=forms.RadioSelect,
    )
    exports = forms.ChoiceField(
        label="If you revoke them: what should happen to running exports?",
        choices=[
            (KEEP, Choice("Keep running", "You and your other clients can download the files.")),
            (CANCEL, Choice("Cancel them", "They stop immediately. Finished files stay available.")),
        ],
        initial=KEEP,
        required=False,
        widget=forms.RadioSelect,
    )

    @property
    def revokes(self) -> bool:
        return bool(self.cleaned_data["made"] == REVOKE)

    @property
    def cancels_exports(self) -> bool:
        return bool(self.cleaned_data["exports"] == CANCEL)
