import dataclasses
import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest

from credentials import programs
from credentials.actor import Actor
from credentials.admin.look_only import LookOnly
from credentials.models import Membership, Organization
from credentials.people import organizations


class MembershipInline(LookOnly, admin.TabularInline[Membership, Organization]):
    """Users join by invitation and are removed under Memberships."""

    model = Membership
    fields = ["user", "role", "created_at"]


class OrganizationForm(forms.ModelForm[Organization]):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Code of the release before writes it elsewhere, and there is no choice for one whose app was taken out.
        self._stored_code = self.instance.program_code
        program = self.instance.program
        if program or self.instance.program_code not in programs.PROGRAMS:
            self.initial["program_code"] = program.code if program else ""

    def clean(self) -> dict[str, Any] | None:
        """Refuse an entity ID that isn't one of the program's. An organization that has one already can be denied."""
        cleaned = super().clean()
        if not {"entity_id", "program_code"}.isdisjoint(self.changed_data) and not self.errors:
            entity_id, code = self.cleaned_data["entity_id"], self.cleaned_data["program_code"]
            if problem := Organization(entity_id=entity_id, program_code=code).program_problem():
                self.add_error("entity_id" if code else "program_code", problem)
        return cleaned

    def save(self, commit: bool = True) -> Organization:  # noqa: FBT001, FBT002  # Django's signature
        """Keep a code that has no choice, unless another one is chosen."""
        if not self.cleaned_data["program_code"] and "program_code" not in self.changed_data:
            self.instance.program_code = self._stored_code
        saved: Organization = super().save(commit)
        return saved

    def clean_api_versions(self) -> list[int] | None:
        versions: list[int] | None = self.cleaned_data["api_versions"]
        if versions and not all(map(organizations.is_version, versions)):
            raise ValidationError(organizations.NO_VERSION)
        return versions or None

    def clean_claims_from_date(self) -> dt.date | None:
        day: dt.date | None = self.cleaned_data["claims_from_date"]
        if day and day < organizations.EARLIEST_DATE:
            raise ValidationError(f"Use a date from {organizations.EARLIEST_DATE} on.")
        return day


class ProgramFilter(admin.SimpleListFilter):
    """Filters organizations by the program that they have, or for those that have none."""

    title = "program"
    parameter_name = "program"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002  # Django's signature
        return [*programs.choices(), ("none", "No program")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:  # noqa: ARG002
        if self.value() is None:
            return queryset
        wanted = programs.PROGRAMS.get(str(self.value()))
        return queryset.filter(pk__in=[each.pk for each in Organization.objects.all() if each.program == wanted])


@admin.register(Organization)
class OrganizationAdmin(admin.ModelAdmin[Organization]):
    form = OrganizationForm
    list_display = ["entity_id", "name", "program_name", "status", "termination_date", "is_sandbox"]
    readonly_fields = ["termination_date"]
    list_filter = [ProgramFilter, "status", "is_sandbox"]
    search_fields = ["entity_id", "name"]
    inlines = [MembershipInline]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  # Django's signature
        """An organization is denied, not deleted: its audit trail stays."""
        return False

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: Organization, form: Any, change: bool) -> None:  # noqa: FBT001  # Django's signature
        """Create the organization, or change its program or status, with the functions that write audit events."""
        by = Actor.of_request(request)
        exceptions = obj.exceptions
        status, obj.status = obj.status, form.initial.get("status", Organization.Status.ACTIVE)
        if change:
            if not {"entity_id", "program_code"}.isdisjoint(form.changed_data):
                organizations.set_program(obj, entity_id=obj.entity_id, program_code=obj.program_code, by=by)
            organizations.set_exceptions(obj, exceptions, by=by)
            super().save_model(request, obj, form, change)
        else:
            made = organizations.create_organization(
                entity_id=obj.entity_id,
                name=obj.name,
                program_code=obj.program_code,
                is_sandbox=obj.is_sandbox,
                by=by,
            )
            obj.pk, obj._state.adding = made.pk, False  # noqa: SLF001  # it is there now
            obj.refresh_from_db()
            organizations.set_exceptions(obj, exceptions, by=by)
        state = dataclasses.replace(organizations.OrganizationState.of(obj), status=Organization.Status(status))
        organizations.set_state(obj, state, by=by)
