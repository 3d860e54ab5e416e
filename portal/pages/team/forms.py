"""The forms of the team: invite a person, give another role, take a person out."""

from typing import Any

from django import forms

from credentials.models import Organization, Role
from portal.pages.choices import Choice
from portal.pages.clients.secrets.forms import CANCEL, KEEP
from portal.pages.rendering import UswdsRenderer

NAME_LENGTH = 150
REVOKE = "revoke"


def _role_field(organization: Organization) -> forms.ChoiceField:
    """A choice where the program has several roles; where it has one, that one."""
    roles = organization.roles
    return forms.ChoiceField(
        label="Role",
        help_text="All roles of your program may do the same here. Choose the one that the person has with CMS.",
        choices=[(role.value, Choice(role.label)) for role in roles],
        initial=roles[0].value if len(roles) == 1 else None,
        widget=forms.RadioSelect,
        error_messages={"required": "Choose a role.", "invalid_choice": "Choose one of these roles."},
    )


class InvitationForm(forms.Form):
    """Whom to invite. The verb looks at the address once more."""

    default_renderer = UswdsRenderer

    email = forms.EmailField(
        label="E-mail address",
        help_text="The person’s own, at your organization. The link goes there and nowhere else.",
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
        error_messages={
            "required": "Enter the person’s e-mail address.",
            "invalid": "This is not an e-mail address. An example: name@organization.org.",
        },
    )
    name = forms.CharField(
        label="Name (optional)",
        help_text="So that you recognize the invitation. The person can change it.",
        max_length=NAME_LENGTH,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"max_length": f"Use {NAME_LENGTH} characters at most."},
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
    """What shall become of what the person has made, and of the exports of what is revoked."""

    default_renderer = UswdsRenderer

    made = forms.ChoiceField(
        label="What shall become of it?",
        choices=[
            (
                KEEP,
                Choice(
                    "It goes on",
                    "Your systems work as before. The person may know the secrets: rotate them soon, one by one.",
                ),
            ),
            (
                REVOKE,
                Choice(
                    "It is revoked",
                    "When you do not trust the person with it any more. The systems that use it can fetch nothing "
                    "until they get something new. This cannot be undone.",
                ),
            ),
        ],
        initial=KEEP,
        required=False,
        widget=forms.RadioSelect,
    )
    exports = forms.ChoiceField(
        label="If it is revoked: what shall become of running exports?",
        choices=[
            (KEEP, Choice("They go on", "Your other clients, and you, can fetch their files.")),
            (CANCEL, Choice("They are cancelled", "They stop at once. Files that are ready stay.")),
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
