from typing import Any

from django import forms

from attribution import loading
from credentials.models import Organization
from portal.pages.rendering import UswdsRenderer


class RosterForm(forms.Form):
    """The roster file that CMS sent."""

    default_renderer = UswdsRenderer

    file = forms.FileField(
        label="Roster file",
        error_messages={
            "required": "Choose the roster file.",
            "empty": "This file is empty. Download it again from CMS, and choose it here.",
        },
    )

    def __init__(self, *args: Any, organization: Organization, **options: Any) -> None:
        super().__init__(*args, **options)
        files = (each.advice(organization.entity_id) for each in loading.formats_of(organization))
        self.fields["file"].help_text = " Or: ".join(files)


class ReasonForm(forms.Form):
    """Why something is done to a roster. Everyone on the team can read it."""

    default_renderer = UswdsRenderer

    reason = forms.CharField(
        label="Reason",
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3, "class": "usa-textarea"}),
        error_messages={"required": "Give the reason.", "max_length": "The reason can have at most 500 characters."},
    )

    def __init__(self, *args: Any, advice: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["reason"].help_text = advice
