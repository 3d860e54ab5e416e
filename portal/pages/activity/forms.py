"""The filters of the activity page."""

import datetime as dt
from typing import Any, cast

from django import forms
from django.http import QueryDict

from credentials.models import AuditEvent, Client, Organization, User
from credentials.trail.activity import Filter
from credentials.trail.audit import Action
from portal.pages.rendering import UswdsRenderer
from portal.words import wording

EVERYTHING = ("", "All")
NO_DATE = {"invalid": "Enter a date, for example 2026-11-22."}

_FIRST_DAY = dt.date(1900, 1, 1)
_DAY = dt.timedelta(days=1)
_LAST_DAY = dt.date.max - _DAY


class FilterForm(forms.Form):
    """Filters by day (UTC), action, client, user, and outcome. Empty fields don't filter."""

    default_renderer = UswdsRenderer

    since = forms.DateField(
        label="From (UTC)", required=False, widget=forms.DateInput(attrs={"type": "date"}), error_messages=NO_DATE
    )
    until = forms.DateField(
        label="To (UTC)", required=False, widget=forms.DateInput(attrs={"type": "date"}), error_messages=NO_DATE
    )
    action = forms.ChoiceField(label="What happened", required=False)
    client = forms.ChoiceField(label="Client", required=False)
    person = forms.ChoiceField(label="User", required=False)
    outcome = forms.ChoiceField(label="Outcome", required=False, choices=[EVERYTHING, *AuditEvent.Outcome.choices])

    def __init__(self, data: QueryDict, *, organization: Organization) -> None:
        super().__init__(data)
        self._clients = {
            client.client_id: client for client in Client.objects.for_organization(organization).live_first()
        }
        self._people = _people(organization, data.get("person", ""))
        self._offer("action", sorted(((str(act), wording.title_of(act)) for act in Action), key=lambda each: each[1]))
        self._offer("client", [(each.client_id, _name(each)) for each in self._clients.values()])
        self._offer("person", [(number, str(person)) for number, person in self._people.items()])

    def _offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        cast("forms.ChoiceField", self.fields[name]).choices = [EVERYTHING, *choices]

    def clean(self) -> dict[str, Any]:
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        for name, day in (("since", since), ("until", until)):
            if day and day < _FIRST_DAY:
                self.add_error(name, "This date is before 1900. Enter a later date.")
        if since and until and until < since:
            self.add_error("until", "This date is before the start date. Enter a later date.")
        return self.cleaned_data

    @property
    def wanted(self) -> Filter:
        asked = self.cleaned_data
        until = asked["until"]
        return Filter(
            since=_midnight(asked["since"]) if asked["since"] else None,
            until=_midnight(min(until, _LAST_DAY) + _DAY) if until else None,
            actions=[asked["action"]] if asked["action"] else [],
            outcome=AuditEvent.Outcome(asked["outcome"]) if asked["outcome"] else None,
            client=self._clients.get(asked["client"]),
            person=self._people.get(asked["person"]),
        )

    @property
    def is_narrow(self) -> bool:
        """Whether any filter is set."""
        return any(self.data.get(name) for name in self.fields)


def _people(organization: Organization, number: str) -> dict[str, User]:
    """Return the team members by ID, plus the user with ID `number` who has left or is an operator."""
    found = User.objects.filter(memberships__organization=organization).order_by("name", "email")
    people = {str(person.pk): person for person in found}
    if number.isascii() and number.isdigit() and len(number) < 10 and number not in people:  # noqa: PLR2004
        acted = AuditEvent.objects.for_organization(organization).filter(user=int(number)).exists()
        people |= {number: User.objects.get(pk=number)} if acted else {}
    return people


def _name(client: Client) -> str:
    return client.name if client.revoked_at is None else f"{client.name} (revoked)"


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC)
