from django.contrib import admin
from django.http import HttpRequest

from credentials.actor import Actor
from credentials.admin.ending import Ending
from credentials.clients import revocation
from credentials.models import (
    ClientSecret,
)


@admin.register(ClientSecret)
class ClientSecretAdmin(Ending, admin.ModelAdmin[ClientSecret]):
    list_display = ["client", "hint", "created_at", "expires_at", "replaced_at", "revoked_at", "last_used_at"]
    list_filter = ["client__organization__program_code"]
    list_select_related = ["client"]
    search_fields = ["client__name", "client__client_id", "client__organization__entity_id", "hint"]
    date_hierarchy = "expires_at"
    fields = [
        *("client", "hint", "created_at", "created_by"),
        *("expires_at", "replaced_at", "revoked_at", "last_used_at"),
    ]

    def end(self, thing: ClientSecret, request: HttpRequest) -> bool:
        return revocation.revoke_secret(thing, by=Actor.of_request(request))
