"""Pages for the tables of django-oauth-toolkit."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from credentials.admin.look_only import LookOnly


class AccessTokenAdmin(LookOnly, admin.ModelAdmin[Any]):
    """Registered by django-oauth-toolkit. Nothing here works as a token: only the checksum is stored."""

    list_display = ["application", "created", "expires", "scope"]
    list_select_related = ["application"]
    search_fields = ["application__client_id", "application__organization__entity_id"]
    fields = ["application", "secret", "created", "expires", "scope"]


class UnusedAdmin(LookOnly, admin.ModelAdmin[Any]):
    """For the toolkit's tables that the client_credentials grant does not use. They are not shown."""

    def has_module_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002  # Django's signature
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:  # noqa: ARG002
        return False
