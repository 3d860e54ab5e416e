"""The operators' view of credentials. Organizations and people are edited here; secrets, tokens and the audit trail
can be looked at, never changed.
"""

from typing import Any, ClassVar

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import BaseUserCreationForm
from django.http import HttpRequest

from credentials.models import AllowedAddress, AuditEvent, ClientSecret, Membership, Organization, User


class LookOnly:
    """Admin pages on which nothing can be added, changed or deleted."""

    fields: ClassVar[Any]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:  # noqa: ARG002  # Django's signature
        """All that are shown, those included that no form may hold."""
        return self.fields or ()

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  # Django's signature
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False


class MembershipInline(admin.TabularInline[Membership, Organization]):
    model = Membership
    extra = 0
    autocomplete_fields = ["user"]


@admin.register(Organization)
class OrganizationAdmin(admin.ModelAdmin[Organization]):
    list_display = ["entity_id", "name", "program", "status", "is_sandbox"]
    list_filter = ["program", "status", "is_sandbox"]
    search_fields = ["entity_id", "name"]
    inlines = [MembershipInline]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002  # Django's signature
        """An organization is denied, not deleted: its audit trail stays."""
        return False


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


class AllowedAddressInline(LookOnly, admin.TabularInline[AllowedAddress, Any]):
    model = AllowedAddress
    fields = ["slot", "address", "created_at", "created_by"]


class ClientSecretInline(LookOnly, admin.TabularInline[ClientSecret, Any]):
    model = ClientSecret
    fields = ["hint", "created_at", "created_by", "expires_at", "revoked_at", "last_used_at"]


class ClientAdmin(LookOnly, admin.ModelAdmin[Any]):
    """django-oauth-toolkit registers it; see OAUTH2_PROVIDER in the settings."""

    list_display = ["name", "organization", "client_id", "created", "last_used_at", "revoked_at"]
    list_filter = ["organization__program"]
    list_select_related = ["organization"]
    search_fields = ["name", "client_id", "organization__entity_id"]
    inlines = [AllowedAddressInline, ClientSecretInline]
    fields = [
        *("organization", "name", "client_id", "created", "created_by"),
        *("last_used_at", "last_used_address", "revoked_at"),
    ]


class AccessTokenAdmin(LookOnly, admin.ModelAdmin[Any]):
    """django-oauth-toolkit registers it. Nothing here can be used as a token: only the checksum is known."""

    list_display = ["application", "created", "expires", "scope"]
    list_select_related = ["application"]
    search_fields = ["application__client_id", "application__organization__entity_id"]
    fields = ["application", "secret", "created", "expires", "scope"]


class UnusedAdmin(LookOnly, admin.ModelAdmin[Any]):
    """For the toolkit's tables that the client_credentials grant has no use for: they are not shown."""

    def has_module_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  # Django's signature
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False


@admin.register(AuditEvent)
class AuditEventAdmin(LookOnly, admin.ModelAdmin[AuditEvent]):
    list_display = ["occurred_at", "action", "organization", "user", "client", "address"]
    list_filter = ["action"]
    list_select_related = ["organization", "user", "client"]
    search_fields = ["organization__entity_id", "user__email", "client__client_id", "request_id"]
    date_hierarchy = "occurred_at"
