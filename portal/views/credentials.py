"""Clients of an organization: see them, create them, say from where they may call, end them."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.text import slugify
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods

from credentials import issuing
from credentials.middleware import client_address
from credentials.models import ADDRESSES_AT_MOST, Client
from portal import handover, snippets, standing
from portal.forms.credentials import AddressesForm, ClientForm
from portal.scoping import MemberRequest, member_required, who_manages_credentials


@member_required()
@require_GET
def clients(request: MemberRequest) -> HttpResponse:
    found = Client.objects.for_organization(request.organization).live_first().prefetch_related("addresses", "secrets")
    return render(
        request,
        "portal/credentials/list.html",
        {
            "rows": [(client, standing.newest_secret(client)) for client in found],
            "addresses_at_most": ADDRESSES_AT_MOST,
            "who_manages": who_manages_credentials(request.organization),
            "base_url": request.build_absolute_uri("/").rstrip("/"),
            "token_url": _token_url(request),
        },
    )


@member_required(manages_credentials=True, gated=True)
@require_http_methods(["GET", "POST"])
@sensitive_variables("secret")
def create_client(request: MemberRequest) -> HttpResponse:
    form = ClientForm(request.POST or None, organization=request.organization)
    if form.is_valid():
        try:
            client, secret = issuing.create_client(
                organization=request.organization,
                name=form.cleaned_data["name"],
                addresses=form.addresses,
                by=request.user,
                request=request,
            )
        except issuing.NameTakenError as taken:
            form.add_error("name", str(taken))
        else:
            handover.leave(request, client, secret)
            return redirect("portal:client-secret", request.organization.entity_id, client.client_id)
    context = {"form": form, "client_address": client_address(request)}
    return render(request, "portal/credentials/create.html", context, status=400 if form.errors else 200)


@member_required(manages_credentials=True)
@require_GET
@sensitive_variables("secret")
def client_secret(request: MemberRequest, client_id: uuid.UUID) -> HttpResponse:
    """Shows a new client's secret, to whoever created it and once."""
    found = _client(request, client_id)
    secret = handover.take(request, found)
    context: dict[str, Any] = {"client": found, "secret": secret}
    if secret is not None:
        context |= {
            "newest": standing.newest_secret(found),
            "file_name": f"{slugify(found.name) or 'client'}.env",
            "environment": snippets.environment(found.client_id, secret, base_url=request.build_absolute_uri("/")),
            "curl": snippets.token_request(found.client_id, secret, token_url=_token_url(request)),
        }
    return render(request, "portal/credentials/secret.html", context)


@member_required()
@require_GET
def client(request: MemberRequest, client_id: uuid.UUID) -> HttpResponse:
    found = _client(request, client_id)
    context = {
        "client": found,
        "newest": standing.newest_secret(found),
        "addresses_at_most": ADDRESSES_AT_MOST,
        "who_manages": who_manages_credentials(request.organization),
    }
    return render(request, "portal/credentials/client.html", context)


@member_required(manages_credentials=True, gated=True)
@require_http_methods(["GET", "POST"])
def edit_addresses(request: MemberRequest, client_id: uuid.UUID) -> HttpResponse:
    found = _live_client(request, client_id)
    form = AddressesForm.of_client(found, request.POST if request.method == "POST" else None)
    if form.is_valid():
        issuing.set_addresses(found, form.addresses, by=request.user, request=request)
        messages.success(request, f"The addresses of “{found.name}” are saved. They count from the next request on.")
        return redirect("portal:client", request.organization.entity_id, found.client_id)
    context = {"form": form, "client": found, "client_address": client_address(request)}
    return render(request, "portal/credentials/addresses.html", context, status=400 if form.errors else 200)


@member_required(manages_credentials=True)
@require_http_methods(["GET", "POST"])
def revoke_client(request: MemberRequest, client_id: uuid.UUID) -> HttpResponse:
    found = _live_client(request, client_id)
    if request.method == "POST":
        issuing.revoke_client(found, by=request.user, request=request)
        messages.success(request, f"“{found.name}” is revoked. Its secret and its tokens no longer work.")
        return redirect("portal:clients", request.organization.entity_id)
    return render(request, "portal/credentials/revoke.html", {"client": found})


def _token_url(request: MemberRequest) -> str:
    return request.build_absolute_uri(reverse("credentials:token"))


def _client(request: MemberRequest, client_id: uuid.UUID) -> Client:
    found = (
        Client.objects.for_organization(request.organization)
        .select_related("organization", "created_by")
        .prefetch_related("addresses", "secrets")
        .filter(client_id=str(client_id))
        .first()
    )
    if found is None:
        raise Http404("Your organization has no client of this id.")
    return found


def _live_client(request: MemberRequest, client_id: uuid.UUID) -> Client:
    found = _client(request, client_id)
    if found.revoked_at is not None:
        raise Http404("This client is revoked; it cannot be changed any more.")
    return found
