import datetime as dt
from collections.abc import Sequence
from typing import cast

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils import timezone

from exports.models import EARLIEST_SINCE, Job
from portal.pages.choices import Choice
from portal.pages.rendering import UswdsRenderer

INPUT_FORMAT = "%Y-%m-%dT%H:%M:%S"  # of <input type="datetime-local">

SCOPES = {
    Job.Scope.GROUP_ALL: Choice(
        "Group/all: those who are new come with their whole history",
        "The usual choice. People who were on your roster at the time below come with what has changed since; people "
        "who joined later come with all of their claims.",
    ),
    Job.Scope.PATIENT: Choice(
        "Patient: changes only, for everyone",
        "People who joined your roster later come with what has changed since the time below, too, and nothing older.",
    ),
}
RESOURCE_TYPES = {
    "Patient": Choice("Patient", "Who the people are: name, birth date, address, MBI."),
    "Coverage": Choice("Coverage", "Which parts of Medicare they have, and since when."),
    "ExplanationOfBenefit": Choice("ExplanationOfBenefit", "Their claims: services, diagnoses, dates, payments."),
    "Claim": Choice("Claim", "What was billed on claims that Medicare is still working on, or has just finished with."),
    "ClaimResponse": Choice("ClaimResponse", "How far each of those claims has come."),
}


class ExportForm(forms.Form):
    """What an export should hold, of the resource types that the organization may have."""

    default_renderer = UswdsRenderer

    scope = forms.ChoiceField(
        label="Whose claims",
        help_text="Both cover everyone on your current roster. They differ only when you ask for changes since a time.",
        choices=[(str(scope), choice) for scope, choice in SCOPES.items()],
        initial=str(Job.Scope.GROUP_ALL),
        widget=forms.RadioSelect,
        error_messages={"required": "Choose whose claims the export should hold."},
    )
    resource_types = forms.MultipleChoiceField(
        label="Which data",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one kind of data."},
    )
    since = forms.DateTimeField(
        label="Only what changed since (UTC, optional)",
        help_text="Leave it empty for everything.",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format=INPUT_FORMAT),
        error_messages={"invalid": "This is not a date and time. An example: 2026-11-01 00:00."},
    )

    def __init__(self, data: QueryDict | None = None, *, resource_types: Sequence[str]) -> None:
        super().__init__(data)
        field = cast("forms.MultipleChoiceField", self.fields["resource_types"])
        field.choices = [(name, RESOURCE_TYPES.get(name, Choice(name))) for name in resource_types]
        field.initial = resource_types
        self._resource_types = resource_types

    def clean_resource_types(self) -> list[str]:
        """In the order of the API, whatever order they came in."""
        chosen = self.cleaned_data["resource_types"]
        return [name for name in self._resource_types if name in chosen]

    def clean_since(self) -> dt.datetime | None:
        since: dt.datetime | None = self.cleaned_data["since"]
        if since is None:
            return None
        if since > timezone.now():
            raise ValidationError("This time is yet to come. Give one that has passed.", code="future")
        if since < EARLIEST_SINCE:
            raise ValidationError("This time is before 1900. Leave the field empty for everything.", code="too_early")
        # What was typed may name a zone of its own.
        return since.astimezone(dt.UTC)
