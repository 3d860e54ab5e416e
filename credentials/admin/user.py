from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import BaseUserCreationForm
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from credentials.actor import Actor
from credentials.models import (
    User,
)
from credentials.trail import audit


class UserCreationForm(BaseUserCreationForm[User]):
    class Meta:
        model = User
        fields = ["email", "name"]


@admin.register(User)
class UserAdmin(DjangoUserAdmin[User]):
    add_form = UserCreationForm
    ordering = ["email"]
    list_display = ["email", "name", "is_active", "is_staff", "last_login"]
    list_filter = ["is_active", "is_staff"]
    search_fields = ["email", "name"]
    readonly_fields = ["last_login", "joined_at"]
    fieldsets = [
        (None, {"fields": ["email", "password", "name"]}),
        ("Rights", {"fields": ["is_active", "is_staff", "is_superuser", "groups", "user_permissions"]}),
        ("When", {"fields": ["last_login", "joined_at"]}),
    ]
    add_fieldsets = [(None, {"fields": ["email", "name", "password1", "password2"]})]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  # Django's signature
        """A user is deactivated, not deleted: that would delete the memberships without an event."""
        return False

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: Any) -> None:
        """The last step of saving, in the same transaction: now all changes are known."""
        super().save_related(request, form, formsets, change)
        person = form.instance
        if not change:
            self._record(audit.Action.PERSON_CREATED, person, request)
        elif form.changed_data:
            before, after = (
                {name: _in_words(values.get(name)) for name in form.changed_data}
                for values in (form.initial, form.cleaned_data)
            )
            self._record(audit.Action.PERSON_CHANGED, person, request, before=before, after=after)

    @transaction.atomic
    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002  # Django's signature
        """Django's page. It can also turn off signing in with a password."""
        person = User.objects.filter(pk=id).first() if id.isascii() and id.isdigit() else None
        response = super().user_change_password(request, id, form_url)
        if person and person.password != User.objects.get(pk=person.pk).password:
            self._record(audit.Action.PASSWORD_CHANGED, person, request, by_means_of="administration")
        return response

    @staticmethod
    def _record(action: audit.Action, person: User, request: HttpRequest, **detail: Any) -> None:
        audit.record_about_person(action, person, Actor.of_request(request), person=person.email, **detail)


def _in_words(value: Any) -> Any:
    """Return a form value for the audit trail; for rows, their names."""
    return value if isinstance(value, bool | str | None) else sorted(str(each) for each in value)
