from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponseRedirect

from credentials.actor import Actor
from credentials.admin.look_only import LookOnly
from credentials.models import (
    Invitation,
)
from credentials.people import invitations
from credentials.people.team_rules import TeamRefusedError


class InvitationAdminForm(forms.ModelForm[Invitation]):
    class Meta:
        model = Invitation
        fields = ["organization", "email", "name", "role"]

    def clean_email(self) -> str:
        try:
            return invitations.checked_email(self.cleaned_data["email"])
        except TeamRefusedError as refused:
            raise ValidationError(str(refused)) from refused


@admin.register(Invitation)
class InvitationAdmin(LookOnly, admin.ModelAdmin[Invitation]):
    """Invitations, usually of the first team member. Links are only in the emails."""

    form = InvitationAdminForm
    list_display = [
        "organization",
        "email",
        "role",
        "created_at",
        "sent_at",
        "expires_at",
        "accepted_at",
        "withdrawn_at",
    ]
    list_filter = ["organization__program_code", "accepted_at", "withdrawn_at"]
    list_select_related = ["organization"]
    search_fields = ["organization__entity_id", "email"]
    autocomplete_fields = ["organization"]
    fields = [
        *("organization", "email", "name", "role", "created_at", "invited_by", "expires_at", "sent_at", "last_error"),
        *("accepted_at", "accepted_by", "withdrawn_at", "withdrawn_by"),
    ]
    actions = ["resend", "withdraw"]

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  # Django's signature
        return admin.ModelAdmin.has_add_permission(self, request)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_fields(request, obj) if obj else InvitationAdminForm.Meta.fields

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        return super().get_readonly_fields(request, obj) if obj else ()

    def changeform_view(self, request: HttpRequest, *arguments: Any, **named: Any) -> Any:
        """If the rules refuse the invitation, show why. Nothing has changed."""
        try:
            return super().changeform_view(request, *arguments, **named)
        except TeamRefusedError as refused:
            self.message_user(request, f"No invitation was sent. {refused}", messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    def save_model(self, request: HttpRequest, obj: Invitation, form: Any, change: bool) -> None:  # noqa: ARG002, FBT001  # Django's signature
        made = invitations.invite(
            obj.organization,
            email=obj.email,
            name=obj.name,
            role=obj.role,
            by=Actor.of_request(request),
            as_operator=True,
        )
        obj.pk, obj._state.adding = made.pk, False  # noqa: SLF001  # it is there now

    def has_send_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("credentials.add_invitation"))

    @admin.action(description="Send the selected invitations again", permissions=["send"])
    def resend(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        self._do(request, queryset, invitations.resend, "sent again. Only the new links work.")

    @admin.action(description="Withdraw the selected invitations", permissions=["send"])
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Invitation]) -> None:
        self._do(request, queryset, invitations.withdraw, "withdrawn. Their links no longer work.")

    def _do(self, request: HttpRequest, queryset: QuerySet[Invitation], verb: Callable[..., Any], done: str) -> None:
        count, by = 0, Actor.of_request(request)
        for invitation in queryset.select_related("organization"):
            try:
                count += bool(verb(invitation, by=by, as_operator=True))
            except TeamRefusedError as refused:
                self.message_user(request, f"Invitation {invitation.pk}: {refused}", messages.WARNING)
        self.message_user(request, f"{count} {done}", messages.SUCCESS if count else messages.WARNING)
