"""Verifies that a caller is the client it claims to be: first the secret, and only then what it may learn."""

import secrets

from django.db import transaction

from credentials import secret_text
from credentials.access import gate, limits
from credentials.access.addresses import UNKNOWN
from credentials.access.reasons import Reason
from credentials.actor import Actor
from credentials.clients.ssas_hashes import SECRET, SsasHash
from credentials.models import Client, ClientSecret
from credentials.trail import audit, refusals

# An unknown secret is compared with this, so that it takes as long as a known one. And an ID that no client has.
_NOBODY = "00000000-0000-0000-0000-000000000000"
_LONGEST_ID = 36


def by_secret(client_id: str, text: str, caller: Actor) -> ClientSecret | None:
    """Return the secret that authenticates the caller, live or not; None, and a record, if nothing does.

    An unknown client and a wrong secret take the same steps, statement by statement.
    """
    if len(client_id) > _LONGEST_ID or not client_id.isprintable():
        client_id = _NOBODY
    address = caller.address or UNKNOWN
    if found := _by_digest(client_id, text):
        return found
    reason = Reason.INVALID_CLIENT
    if SECRET.fullmatch(text):
        if imported := _imported(client_id, text, address):
            _keep_digest(imported, text, caller)
            return imported
        # Another first use, at the same moment, may have stored the digest since we looked.
        if found := _by_digest(client_id, text):
            return found
        if _was_not_tried(client_id, address):
            reason = Reason.IMPORTED_SECRET_NOT_TRIED
    refusals.record(
        audit.Action.TOKEN_REFUSED,
        client_id=client_id,
        client=Client.objects.select_related("organization").filter(client_id=client_id).first(),
        by=caller,
        reason=reason,
    )
    return None


def refusal_of_secret(secret: ClientSecret, caller: Actor) -> gate.Refusal | None:
    """Return why a secret that is right gives this caller no access, and record it; None if it does."""
    refused = gate.secret_refusal(secret) or gate.refusal(secret.client, caller.address or UNKNOWN)
    if refused:
        refusals.record(
            audit.Action.TOKEN_REFUSED,
            client_id=secret.client.client_id,
            client=secret.client,
            by=caller,
            reason=refused.code,
            hint=secret.hint,
        )
    return refused


def _by_digest(client_id: str, text: str) -> ClientSecret | None:
    found = ClientSecret.objects.select_related("client__organization").filter(digest=secret_text.digest(text)).first()
    # The digest was found by the secret, so it alone decides. The ID is compared in constant time.
    owner = found.client.client_id if found else _NOBODY
    return found if secrets.compare_digest(owner.encode(), client_id.encode()) else None


def _imported(client_id: str, text: str, address: str) -> ClientSecret | None:
    """Return a secret from the SSAS that was not used here yet. Raises LimitReachedError.

    Its hash is slow on purpose, so it is computed only for callers from an IP address where such a client can be. From
    there, an unknown client ID costs the same. See docs/decisions/0011.
    """
    there = list(
        ClientSecret.objects.imported()
        .filter(client__addresses__address=address)
        .select_related("client__organization")
        .order_by("pk")
    )
    if not there:
        return None
    if excess := limits.spend(limits.slow_hashes(address)):
        raise limits.LimitReachedError(excess)
    own = next((secret for secret in there if secret.client.client_id == client_id), None)
    is_right = SsasHash.parse((own or there[0]).imported_hash).is_of(text)
    return own if is_right else None


def _was_not_tried(client_id: str, address: str) -> bool:
    """Return whether the client has such a secret and its IP allow list does not have the caller's address."""
    imported = ClientSecret.objects.imported().filter(client__client_id=client_id)
    return imported.exclude(client__addresses__address=address).exists()


@transaction.atomic
def _keep_digest(secret: ClientSecret, text: str, caller: Actor) -> None:
    """Replace the slow hash with the fast one. If several first uses come at once, one of them does it."""
    # Lock the client first, as everywhere: see ClientQuerySet.locked.
    Client.objects.select_for_update(no_key=True).get(pk=secret.client.pk)
    before, secret.imported_hash = secret.imported_hash, ""
    secret.digest, secret.hint = secret_text.digest(text), secret_text.hint(text)
    if ClientSecret.objects.filter(pk=secret.pk, imported_hash=before).update(
        digest=secret.digest, hint=secret.hint, imported_hash=""
    ):
        audit.record(
            audit.Action.SECRET_REHASHED,
            caller,
            organization=secret.client.organization,
            client=secret.client,
            hint=secret.hint,
            before={"hash": "PBKDF2-HMAC-SHA512"},
            after={"hash": "SHA-256"},
        )
