import dataclasses
from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest

from credentials.admin.look_only import LookOnly
from credentials.models import (
    Membership,
    Organization,
    Program,
)
from credentials.people import organizations


class MembershipInline(LookOnly, admin.TabularInline[Membership, Organization]):
    """Users join by invitation and are removed under Memberships."""

    model = Membership
    fields = ["user", "role", "created_at"]


class OrganizationForm(forms.ModelForm[Organization]):
    def clean(self) -> dict[str, Any] | None:
        """Refuse an entity ID that can't belong to the program. An organization that has one already can be denied."""
        cleaned = super().clean()
        if not {"entity_id", "program"}.isdisjoint(self.changed_data) and not self.errors:
            organization = Organization(entity_id=self.cleaned_data["entity_id"], program=self.cleaned_data["program"])
            if problem := organization.entity_id_problem():
                self.add_error("entity_id", problem)
        return cleaned


@admin.register(Organization)
class OrganizationAdmin(admin.ModelAdmin[Organization]):
    form = OrganizationForm
    list_display = ["entity_id", "name", "program", "status", "termination_date", "is_sandbox"]
    readonly_fields = ["termination_date"]
    list_filter = ["program", "status", "is_sandbox"]
    search_fields = ["entity_id", "name"]
    inlines = [MembershipInline]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  # Django's signature
        """An organization is denied, not deleted: its audit trail stays."""
        return False

    @transaction.atomic
    def save_model(self, request: HttpRequest, obj: Organization, form: Any, change: bool) -> None:  # noqa: FBT001  # Django's signature
        """Create the organization, or change its status, with the functions that write audit events."""
        by: Any = request.user
        status, obj.status = obj.status, form.initial.get("status", Organization.Status.ACTIVE)
        if change:
            super().save_model(request, obj, form, change)
        else:
            made = organizations.create_organization(
                entity_id=obj.entity_id,
                name=obj.name,
                program=Program(obj.program),
                is_sandbox=obj.is_sandbox,
                by=by,
                request=request,
            )
            obj.pk, obj._state.adding = made.pk, False  # noqa: SLF001  # it is there now
            obj.refresh_from_db()
        state = dataclasses.replace(organizations.OrganizationState.of(obj), status=Organization.Status(status))
        organizations.set_state(obj, state, by=by, request=request)
