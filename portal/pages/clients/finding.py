"""Finds the client, secret, or key that a URL names, within the organization. Anything else is 404."""

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate

from django.db.models import Prefetch
from django.http import Http404, HttpResponse
from django.urls import reverse

from credentials.models import Client, ClientKey, ClientRevokedError, ClientSecret
from portal.pages.scoping import MemberRequest

View = Callable[Concatenate[MemberRequest, Client, ...], HttpResponse]


def client_of(request: MemberRequest, client_id: uuid.UUID) -> Client:
    made = ClientSecret.objects.select_related("created_by")
    found = (
        Client.objects.for_organization(request.organization)
        .select_related("organization", "created_by")
        .prefetch_related("addresses", "keys", "key_sets", Prefetch("secrets", made))
        .filter(client_id=str(client_id))
        .first()
    )
    if found is None:
        raise Http404("Your organization has no client with this ID.")
    return found


def changes_client(view: View) -> Callable[..., HttpResponse]:
    """Pass the client `client_id` to the view. A client that is revoked, or is revoked meanwhile, is 404."""

    @wraps(view)
    def changing(request: MemberRequest, client_id: uuid.UUID, **arguments: Any) -> HttpResponse:
        client = client_of(request, client_id)
        if client.revoked_at is not None:
            raise Http404(str(ClientRevokedError(client)))
        try:
            return view(request, client, **arguments)
        except ClientRevokedError as error:
            raise Http404(str(error)) from error

    return changing


def secret_of(client: Client, secret_id: int) -> ClientSecret:
    """Return a secret that can still be revoked. Raises Http404."""
    for secret in client.secrets.all():
        if secret.pk == secret_id and secret.is_live:
            return secret
    raise Http404("This client has no valid secret with this number.")


def key_of(client: Client, key_id: int) -> ClientKey:
    """Return a key that can still be revoked. Raises Http404."""
    for key in client.keys.all():
        if key.pk == key_id and key.is_live:
            return key
    raise Http404("This client has no valid key with this number.")


def token_url(request: MemberRequest) -> str:
    return request.build_absolute_uri(reverse("credentials:token"))
