"""The secrets of a client: shown once, rotated, revoked."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.text import slugify
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_GET, require_http_methods

from credentials.clients import issuing, rotation
from credentials.clients.rotation import Overlap
from credentials.models import Client
from portal.pages.clients import ending, handover
from portal.pages.clients.finding import changes_client, client_of, secret_of, token_url
from portal.pages.clients.secrets.forms import EndingForm, RotationForm
from portal.pages.scoping import MemberRequest, member_required
from portal.sign_in.proof import recent_proof_required
from portal.words import snippets, standing
from portal.words.times import count_of


@member_required(manages_credentials=True)
@recent_proof_required()
@require_GET
@sensitive_variables("secret")
def client_secret(request: MemberRequest, client_id: uuid.UUID) -> HttpResponse:
    """Shows a new secret once, only in the browser that created it."""
    found = client_of(request, client_id)
    secret = handover.take(request, found)
    context: dict[str, Any] = {"client": found, "secret": secret}
    if secret is not None:
        context |= {
            "newest": standing.newest_secret(found),
            "replaced": standing.replaced_secret(found),
            "is_first": len(found.secrets.all()) == 1,
            "file_name": f"{slugify(found.name) or 'client'}.env",
            "environment": snippets.environment(found.client_id, secret, base_url=request.build_absolute_uri("/")),
            "curl": snippets.token_request(found.client_id, secret, token_url=token_url(request)),
        }
    response = render(request, "portal/clients/secret.html", context)
    handover.forget(request, response)
    return response


@member_required(manages_credentials=True, gated=True)
@recent_proof_required()
@require_http_methods(["GET", "POST"])
@sensitive_variables("secret")
@changes_client
def rotate(request: MemberRequest, client: Client) -> HttpResponse:
    """Rotates the secret. While two are valid, the only option is to revoke both and create a third."""
    form = RotationForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            secret = rotation.rotate_secret(client, overlap=form.cleaned_data["overlap"], by=request.actor)
        except issuing.TwoSecretsError:
            # Someone else was faster, or the form was sent twice: the page now shows both secrets.
            messages.warning(
                request,
                f"Nothing was changed. “{client.name}” already has two valid secrets. Revoke one of them first.",
            )
            return redirect("portal:client-rotate", request.organization.entity_id, client.client_id)
        response = redirect("portal:client-secret", request.organization.entity_id, client.client_id)
        handover.leave(request, response, client, secret)
        return response
    live = sorted((secret for secret in client.secrets.all() if secret.is_live), key=lambda secret: secret.created_at)
    context = {
        "client": client,
        "form": form,
        "live": live,
        "ends_sooner": bool(live) and live[0].expires_at < timezone.now() + Overlap.THREE_DAYS.length,
        "has_key": client.has_key,
        "at_once": Overlap.NONE.value,
    }
    return render(request, "portal/clients/rotate.html", context, status=400 if form.errors else 200)


@member_required(manages_credentials=True)
@require_http_methods(["GET", "POST"])
@changes_client
def revoke_secret(request: MemberRequest, client: Client, secret_id: int) -> HttpResponse:
    secret = secret_of(client, secret_id)
    running = ending.running_exports(client).count()
    form = EndingForm(request.POST if request.method == "POST" else None, running=running)
    if form.is_valid():
        cancelled = ending.revoke_secret(secret, cancels_exports=form.cancels_exports, by=request.actor)
        messages.success(
            request,
            f"The secret …{secret.hint} was revoked. The secret and its access tokens are no longer valid."
            + (f" {count_of(cancelled, 'export')} cancelled." if cancelled else ""),
        )
        return redirect("portal:client", request.organization.entity_id, client.client_id)
    context = {
        "client": client,
        "secret": secret,
        "form": form,
        "running": running,
        "others": [other for other in client.secrets.all() if other.is_live and other != secret],
        "has_key": client.has_key,
    }
    return render(request, "portal/clients/revoke_secret.html", context, status=400 if form.errors else 200)
