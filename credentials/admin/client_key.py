from django.contrib import admin
from django.http import HttpRequest

from credentials.actor import Actor
from credentials.admin.ending import Ending
from credentials.clients import key_registration
from credentials.models import (
    ClientKey,
)


@admin.register(ClientKey)
class ClientKeyAdmin(Ending, admin.ModelAdmin[ClientKey]):
    list_display = ["client", "name", "kid", "algorithm", "bits", "created_at", "revoked_at", "last_used_at"]
    list_filter = ["algorithm", "client__organization__program_code"]
    list_select_related = ["client"]
    search_fields = ["client__name", "client__client_id", "client__organization__entity_id", "kid", "thumbprint"]
    fields = [
        *("client", "name", "kid", "algorithm", "bits", "thumbprint"),
        *("created_at", "created_by", "revoked_at", "last_used_at"),
    ]

    def end(self, thing: ClientKey, request: HttpRequest) -> bool:
        return key_registration.revoke_key(thing, by=Actor.of_request(request))
