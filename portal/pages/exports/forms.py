import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import cast

from django import forms
from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.utils import timezone

from attribution.cohorts import ALL, COHORT_RULES, CohortRule
from exports.models import EARLIEST_SINCE, Job
from portal.pages.choices import Choice
from portal.pages.rendering import UswdsRenderer

INPUT_FORMAT = "%Y-%m-%dT%H:%M:%S"  # of <input type="datetime-local">

PATIENT = Choice(
    "Patient: changes only, for all beneficiaries",
    "For all beneficiaries, including those who joined later, you get only what changed since that time.",
)
RESOURCE_TYPES = {
    "Patient": Choice("Patient", "Who the beneficiaries are: name, birth date, address, MBI."),
    "Coverage": Choice("Coverage", "Which parts of Medicare they have, and since when."),
    "ExplanationOfBenefit": Choice("ExplanationOfBenefit", "Their claims: services, diagnoses, dates, payments."),
    "Claim": Choice("Claim", "What was billed on claims that Medicare is still processing or recently finished."),
    "ClaimResponse": Choice("ClaimResponse", "The processing status of those claims."),
}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What to call to start an export."""

    scope: Job.Scope
    rule: CohortRule
    choice: Choice


def endpoints() -> dict[str, Endpoint]:
    """Return what can be called, by its value in the form: each cohort rule, and after the first one Patient."""
    found = {}
    for rule in COHORT_RULES:
        title = Choice(f"Group/{rule.group_id}: {rule.title}", rule.description)
        found[f"group_{rule.group_id}"] = Endpoint(Job.Scope.GROUP_ALL, rule, title)
        if rule is ALL:
            found["patient"] = Endpoint(Job.Scope.PATIENT, rule, PATIENT)
    return found


class ExportForm(forms.Form):
    """What to export. The organization can have `resource_types`, and has a roster for each of `rules`."""

    default_renderer = UswdsRenderer

    scope = forms.ChoiceField(
        label="Whose claims",
        help_text="Group/all and Patient include everyone on the roster above. They differ only if you enter a time "
        "below.",
        widget=forms.RadioSelect,
        error_messages={"required": "Choose whose claims to export."},
    )
    resource_types = forms.MultipleChoiceField(
        label="Which data",
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one type of data."},
    )
    since = forms.DateTimeField(
        label="Only changes since (UTC, optional)",
        help_text="Leave empty to export all data.",
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format=INPUT_FORMAT),
        error_messages={"invalid": "Enter a date and time, for example 2026-11-01 00:00."},
    )

    def __init__(
        self, data: QueryDict | None = None, *, resource_types: Sequence[str], rules: Collection[CohortRule]
    ) -> None:
        super().__init__(data)
        self._endpoints = {value: each for value, each in endpoints().items() if each.rule in rules}
        scopes = cast("forms.ChoiceField", self.fields["scope"])
        scopes.choices = [(value, endpoint.choice) for value, endpoint in self._endpoints.items()]
        scopes.initial = next(iter(self._endpoints), None)
        field = cast("forms.MultipleChoiceField", self.fields["resource_types"])
        field.choices = [(name, RESOURCE_TYPES.get(name, Choice(name))) for name in resource_types]
        field.initial = resource_types
        self._resource_types = resource_types

    def clean_scope(self) -> Endpoint:
        return self._endpoints[self.cleaned_data["scope"]]

    def clean_resource_types(self) -> list[str]:
        """Return the chosen resource types in the API's order."""
        chosen = self.cleaned_data["resource_types"]
        return [name for name in self._resource_types if name in chosen]

    def clean_since(self) -> dt.datetime | None:
        since: dt.datetime | None = self.cleaned_data["since"]
        if since is None:
            return None
        if since > timezone.now():
            raise ValidationError("This time is in the future. Enter a time in the past.", code="future")
        if since < EARLIEST_SINCE:
            raise ValidationError(
                "This time is before 1900. To export all data, leave the field empty.", code="too_early"
            )
        # The input may contain its own time zone.
        return since.astimezone(dt.UTC)
