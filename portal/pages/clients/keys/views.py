"""The public keys of a client: add, fetch from a URL, revoke, and the next steps for its developer."""

import uuid

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_http_methods

from credentials.clients import key_registration, keys
from credentials.models import KEYS_AT_MOST, Client, ClientKeySet
from portal.pages.clients.finding import changes_client, client_of, key_of, token_url
from portal.pages.clients.keys import key_trials
from portal.pages.clients.keys.forms import KeyForm, KeySetForm
from portal.pages.scoping import MemberRequest, member_required, who_manages_credentials
from portal.sign_in.proof import kept_input, recent_proof_required
from portal.words import snippets


@member_required()
@require_GET
def client_keys(request: MemberRequest, client_id: uuid.UUID) -> HttpResponse:
    found = client_of(request, client_id)
    listed = sorted(found.keys.all(), key=lambda key: (not key.is_live, -key.pk))
    key_set = _key_set(found)
    newest = next((key for key in listed if key.is_live), None)
    context = {
        "client": found,
        "keys": listed,
        "live_count": sum(key.is_live for key in listed),
        "keys_at_most": KEYS_AT_MOST,
        "key_set": key_set,
        "token_url": token_url(request),
        "may_change": request.membership.manages_credentials and found.revoked_at is None,
        "who_manages": who_manages_credentials(request.organization),
        "make_keys": snippets.MAKE_KEYS,
        "sign": snippets.signed_token_request(
            found.client_id,
            kid=newest.kid if newest else "the-kid-of-your-key",
            algorithm=newest.algorithm if newest else "ES384",
            token_url=token_url(request),
        ),
    }
    return render(request, "portal/clients/keys.html", context)


@member_required(manages_credentials=True, gated=True)
@recent_proof_required(keeps=("name", "kid"))
@require_http_methods(["GET", "POST"])
@sensitive_post_parameters("pasted")
@changes_client
def add_key(request: MemberRequest, client: Client) -> HttpResponse:
    form = KeyForm(request.POST if request.method == "POST" else None, initial=kept_input(request))
    if form.is_valid():
        try:
            added = key_registration.add_keys(client, by=request.actor, **form.cleaned_data)
        except (key_registration.KidTakenError, key_registration.TooManyKeysError) as refused:
            form.add_error("pasted", str(refused))
        else:
            names = ", ".join(f"“{key.kid}”" for key in added)
            messages.success(request, f"“{client.name}” can now sign in with {names}.")
            return redirect("portal:client-keys", request.organization.entity_id, client.client_id)
    context = {"client": client, "form": form, "make_keys": snippets.MAKE_KEYS, "bits": keys.RSA_BITS_RECOMMENDED}
    return render(request, "portal/clients/key_add.html", context, status=400 if form.errors else 200)


@member_required(manages_credentials=True, gated=True)
@recent_proof_required(keeps=("url",))
@require_http_methods(["GET", "POST"])
@changes_client
def edit_key_set(request: MemberRequest, client: Client) -> HttpResponse:
    """Tests or saves the client's key set URL."""
    key_set = _key_set(client)
    form = KeySetForm(
        request.POST if request.method == "POST" else None,
        client=client,
        initial=kept_input(request) or {"url": key_set.url if key_set else ""},
    )
    trial = None
    if form.is_valid():
        url = form.cleaned_data["url"]
        if "try" not in request.POST:
            key_registration.set_key_set_url(client, url, by=request.actor)
            messages.success(request, f"The key set URL was saved. We’ll fetch the keys of “{client.name}” from {url}.")
            return redirect("portal:client-keys", request.organization.entity_id, client.client_id)
        trial = key_trials.try_url(url, client)
    context = {"client": client, "form": form, "key_set": key_set, "trial": trial}
    return render(request, "portal/clients/key_set.html", context, status=400 if form.errors else 200)


@member_required(manages_credentials=True)
@require_http_methods(["GET", "POST"])
@changes_client
def revoke_key_set(request: MemberRequest, client: Client) -> HttpResponse:
    """Stops fetching keys from the client's URL."""
    key_set = _key_set(client)
    if request.method == "POST":
        if key_registration.set_key_set_url(client, "", by=request.actor):
            messages.success(request, f"We no longer fetch keys for “{client.name}”.")
        return redirect("portal:client-keys", request.organization.entity_id, client.client_id)
    if key_set is None:
        return redirect("portal:client-keys", request.organization.entity_id, client.client_id)
    return render(request, "portal/clients/key_set_revoke.html", {"client": client, "key_set": key_set})


@member_required(manages_credentials=True)
@require_http_methods(["GET", "POST"])
@changes_client
def revoke_key(request: MemberRequest, client: Client, key_id: int) -> HttpResponse:
    key = key_of(client, key_id)
    if request.method == "POST":
        key_registration.revoke_key(key, by=request.actor)
        messages.success(
            request, f"The key “{key.name}” was revoked. The key and its access tokens are no longer valid."
        )
        return redirect("portal:client-keys", request.organization.entity_id, client.client_id)
    return render(request, "portal/clients/key_revoke.html", {"client": client, "key": key})


def _key_set(client: Client) -> ClientKeySet | None:
    return next((key_set for key_set in client.key_sets.all() if key_set.revoked_at is None), None)
