from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.views.decorators.debug import sensitive_variables

from credentials.access import gate
from credentials.actor import Actor
from credentials.admin.ending import Ending, question
from credentials.admin.look_only import LookOnly
from credentials.clients import revocation, rotation
from credentials.models import (
    AllowedAddress,
    Client,
    ClientKey,
    ClientKeySet,
    ClientSecret,
)

ACCESS_DENIED = "Access denied"  # its organization has no access, whatever the client has


class AllowedAddressInline(LookOnly, admin.TabularInline[AllowedAddress, Any]):
    model = AllowedAddress
    fields = ["slot", "address", "created_at", "created_by"]


class ClientSecretInline(LookOnly, admin.TabularInline[ClientSecret, Any]):
    model = ClientSecret
    fields = ["hint", "created_at", "created_by", "expires_at", "revoked_at", "last_used_at"]


class ClientKeyInline(LookOnly, admin.TabularInline[ClientKey, Any]):
    model = ClientKey
    fields = ["name", "kid", "algorithm", "bits", "created_at", "created_by", "revoked_at", "last_used_at"]


class ClientKeySetInline(LookOnly, admin.TabularInline[ClientKeySet, Any]):
    model = ClientKeySet
    fields = ["url", "created_at", "created_by", "revoked_at", "last_used_at"]


class StateFilter(admin.SimpleListFilter):
    """Filters clients by what the list says about each: its state, or that its organization has no access."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:  # noqa: ARG002  # Django's signature
        states = [(str(state), str(state.label)) for state in Client.State]
        return [*states, ("denied", ACCESS_DENIED), ("unused", "Never used")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:  # noqa: ARG002
        wanted = self.value()
        if wanted == "unused":
            return queryset.live().filter(last_used_at=None)
        if wanted == "denied":
            return queryset.live().filter(organization__in=gate.refused_organizations())
        if wanted is None or wanted not in Client.State.values:
            return queryset
        found = queryset.in_state(Client.State(wanted))
        if wanted == Client.State.REVOKED:
            return found
        return found.exclude(organization__in=gate.refused_organizations())


class ClientAdmin(Ending, admin.ModelAdmin[Any]):
    """Registered by django-oauth-toolkit; see OAUTH2_PROVIDER in the settings."""

    list_display = ["name", "organization", "client_id", "state", "created", "last_used_at", "failed_attempts"]
    list_filter = [StateFilter, "organization__program_code", "organization__is_sandbox"]
    list_select_related = ["organization"]
    search_fields = ["name", "client_id", "organization__entity_id"]
    inlines = [AllowedAddressInline, ClientSecretInline, ClientKeyInline, ClientKeySetInline]
    fields = [
        *("organization", "name", "client_id", "state", "created", "created_by"),
        *(
            "last_used_at",
            "last_used_address",
            "failed_attempts",
            "last_failed_at",
            "last_failed_address",
            "revoked_at",
        ),
    ]
    actions = ["revoke", "rotate"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("secrets", "keys", "key_sets")

    @admin.display(description="state")
    def state(self, client: Client) -> str:
        is_denied = gate.organization_refusal(client.organization) is not None
        return ACCESS_DENIED if is_denied and client.revoked_at is None else str(client.state.label)

    def end(self, thing: Client, request: HttpRequest) -> bool:
        return revocation.revoke_client(thing, by=Actor.of_request(request))

    def has_rotate_permission(self, request: HttpRequest) -> bool:
        return self.has_revoke_permission(request)

    @admin.action(description="Rotate the secret of the selected client", permissions=["rotate"])
    @sensitive_variables("secret")
    def rotate(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask for confirmation, then show the new secret. Submitting the same form again makes no second one."""
        clients = list(queryset[:2])
        if len(clients) != 1:
            self.message_user(request, "Select only one client. Its new secret is shown once.", messages.ERROR)
            return None
        client = clients[0]
        newest = client.secrets.order_by("-created_at", "-pk").values_list("pk", flat=True).first() or 0
        if "confirmed" not in request.POST:
            context = {"client": client, "newest": newest, "overlaps": reversed(rotation.Overlap)}
            return question(self, request, "admin/credentials/rotate.html", context)
        try:
            secret = _rotated(client, newest, request)
        except ValueError as refused:
            self.message_user(request, f"Nothing was changed. {refused}", messages.ERROR)
            return None
        return question(self, request, "admin/credentials/secret.html", {"client": client, "secret": secret})


@transaction.atomic
def _rotated(client: Client, newest: int, request: HttpRequest) -> str:
    """Return the new secret. Raises ValueError, also if the form was made before the secret `newest` existed."""
    Client.objects.locked(client)
    if request.POST.get("overlap", "") not in map(str, rotation.Overlap.values):
        raise ValueError("Choose when the old secret stops working.")
    if request.POST.get("newest") != str(newest):
        raise ValueError("The secret was rotated after you opened this page. Open the page again.")
    return rotation.rotate_secret(
        client, overlap=rotation.Overlap(int(request.POST["overlap"])), by=Actor.of_request(request)
    )
