"""The clients of an organization: list, create, set the IP allow list, revoke."""

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods

from credentials.access import addresses, gate
from credentials.access.middleware import client_address
from credentials.clients import allow_lists, issuing
from credentials.models import ADDRESSES_AT_MOST, KEYS_AT_MOST, Client
from portal.pages.clients import ending, handover
from portal.pages.clients.finding import changes_client, client_of, token_url
from portal.pages.clients.forms import SLOTS, AddressesForm, ClientForm
from portal.pages.clients.secrets.forms import EndingForm
from portal.pages.scoping import MemberRequest, member_required, who_manages_credentials
from portal.sign_in.proof import kept_input, recent_proof_required
from portal.words import standing
from portal.words.times import count_of

# Of those that are no longer valid. The audit trail has all of them.
ENDED_SECRETS_SHOWN = 5


@member_required()
@require_GET
def clients(request: MemberRequest) -> HttpResponse:
    found = Client.objects.for_organization(request.organization).live_first()
    rows = found.prefetch_related("addresses", *standing.OF_CLIENTS)
    context = {
        "rows": [(client, standing.newest_secret(client), client.has_key) for client in rows],
        "addresses_at_most": ADDRESSES_AT_MOST,
        "who_manages": who_manages_credentials(request.organization),
        "base_url": request.build_absolute_uri("/").rstrip("/"),
        "token_url": token_url(request),
    }
    return render(request, "portal/clients/list.html", context)


@member_required(manages_credentials=True, gated=True)
@recent_proof_required(keeps=("name", *SLOTS))
@require_http_methods(["GET", "POST"])
@sensitive_variables("secret")
def create_client(request: MemberRequest) -> HttpResponse:
    form = ClientForm(request.POST or None, organization=request.organization, initial=kept_input(request))
    if form.is_valid():
        try:
            client, secret = issuing.create_client(
                organization=request.organization,
                name=form.cleaned_data["name"],
                addresses=form.addresses,
                by=request.actor,
            )
        except issuing.NameTakenError as taken:
            form.add_error("name", str(taken))
        else:
            response = redirect("portal:client-secret", request.organization.entity_id, client.client_id)
            handover.leave(request, response, client, secret)
            return response
    context = {"form": form, "client_address": client_address(request)}
    return render(request, "portal/clients/create.html", context, status=400 if form.errors else 200)


@member_required()
@require_GET
def client(request: MemberRequest, client_id: uuid.UUID) -> HttpResponse:
    found = client_of(request, client_id)
    secrets = list(found.secrets.all())
    ended = [secret for secret in secrets if not secret.is_live]
    context = {
        "client": found,
        "state": found.state,
        "newest": standing.newest_secret(found),
        "replaced": standing.replaced_secret(found),
        "secrets": [secret for secret in secrets if secret.is_live] + ended[:ENDED_SECRETS_SHOWN],
        "live_keys": [key for key in found.keys.all() if key.is_live],
        "key_set": next((key_set for key_set in found.key_sets.all() if key_set.revoked_at is None), None),
        "addresses_at_most": ADDRESSES_AT_MOST,
        "keys_at_most": KEYS_AT_MOST,
        "may_change": request.membership.manages_credentials and found.revoked_at is None,
        "who_manages": who_manages_credentials(request.organization),
    }
    return render(request, "portal/clients/client.html", context)


@member_required(manages_credentials=True, gated=True)
@recent_proof_required(keeps=SLOTS)
@require_http_methods(["GET", "POST"])
@changes_client
def edit_addresses(request: MemberRequest, client: Client) -> HttpResponse:
    """The IP allow list. `add` in the query fills in an IP address, which takes effect when the form is saved."""
    offered = _offered(request, client)
    form = AddressesForm.of_client(
        client, request.POST if request.method == "POST" else None, offered=offered, kept=kept_input(request)
    )
    if form.is_valid():
        allow_lists.set_addresses(client, form.addresses, by=request.actor)
        messages.success(
            request, f"The IP allow list of “{client.name}” was saved. It takes effect with the next request."
        )
        return redirect("portal:client", request.organization.entity_id, client.client_id)
    context = {
        "form": form,
        "client": client,
        "client_address": client_address(request),
        "offered": offered,
        "is_full": client.addresses.count() >= ADDRESSES_AT_MOST,
    }
    return render(request, "portal/clients/addresses.html", context, status=400 if form.errors else 200)


@member_required(manages_credentials=True)
@require_http_methods(["GET", "POST"])
@changes_client
def revoke_client(request: MemberRequest, client: Client) -> HttpResponse:
    running = ending.running_exports(client).count()
    form = EndingForm(request.POST if request.method == "POST" else None, running=running)
    if form.is_valid():
        cancelled = ending.revoke_client(client, cancels_exports=form.cancels_exports, by=request.actor)
        messages.success(
            request,
            f"“{client.name}” was revoked. Its secrets, keys, and access tokens are no longer valid."
            + (f" {count_of(cancelled, 'export')} cancelled." if cancelled else ""),
        )
        return redirect("portal:clients", request.organization.entity_id)
    context = {"client": client, "form": form, "running": running}
    return render(request, "portal/clients/revoke.html", context, status=400 if form.errors else 200)


def _offered(request: MemberRequest, client: Client) -> str:
    """Return the suggested IP address if it can be added to this list; otherwise an empty string."""
    suggested = request.GET.get("add", "")
    if addresses.problem(suggested, allows_loopback=gate.allows_loopback(client.organization)):
        return ""
    address = addresses.canonical(suggested)
    return "" if any(str(each) == address for each in client.addresses.all()) else address
