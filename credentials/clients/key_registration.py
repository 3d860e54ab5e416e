"""Functions that add and revoke a client's public keys. Each is one transaction with its audit events."""

from django.db import IntegrityError, transaction
from django.utils import timezone

from credentials.access import gate
from credentials.actor import Actor
from credentials.clients import jwks, keys
from credentials.models import KEYS_AT_MOST, AccessToken, Client, ClientKey, ClientKeySet
from credentials.trail import audit


class TooManyKeysError(ValueError):
    """The client would have too many live keys."""


class KidTakenError(ValueError):
    """The client already has a live key with this key ID."""


class UrlRefusedError(ValueError):
    """Key sets can't be fetched from this URL; the message says why."""


def policy_for(client: Client) -> jwks.Policy:
    """Return where this client's key set can be fetched from: for a sandbox of the demo, also from this machine."""
    return jwks.Policy(allows_loopback=gate.allows_loopback(client.organization))


@transaction.atomic
def add_keys(
    client: Client,
    pasted: str,
    *,
    name: str,
    kid: str = "",
    by: Actor,
) -> list[ClientKey]:
    """Add the public keys of a JWK, a JWK Set or PEM text (which has no `kid` of its own) to a client.

    Raises keys.KeyRefusedError (PrivateKeyRefusedError for a private key), KidTakenError, TooManyKeysError and
    ClientRevokedError; then nothing has changed.
    """
    given = keys.read(pasted, kid=kid)
    client = Client.objects.locked(client)
    if client.keys.live().count() + len(given) > KEYS_AT_MOST:
        raise TooManyKeysError(
            f"The client has too many keys: at most {KEYS_AT_MOST} are allowed. Revoke keys that you no longer use."
        )
    return [_add(client, key, name=name, by=by) for key in given]


@transaction.atomic
def revoke_key(key: ClientKey, *, by: Actor) -> bool:
    """Revoke a key and its tokens. Return False, and change nothing, if it was already revoked."""
    client, now = Client.objects.locked(key.client), timezone.now()
    if not client.keys.live().filter(pk=key.pk).update(revoked_at=now):
        return False
    AccessToken.objects.filter(key=key).revoke(now)
    audit.record(
        audit.Action.KEY_REVOKED,
        by,
        organization=client.organization,
        client=client,
        name=key.name,
        kid=key.kid,
    )
    return True


@transaction.atomic
def set_key_set_url(client: Client, url: str, *, by: Actor) -> bool:
    """Set the URL from which a client's keys are fetched; an empty `url` means none. Return False if it is already set.

    Tokens that were issued for keys of the old URL end. Raises UrlRefusedError and ClientRevokedError. The URL is not
    called: jwks.fetch does that, outside a transaction.
    """
    url = url.strip()
    if url and (why := jwks.problem(url, policy_for(client))):
        raise UrlRefusedError(why)
    client, now = Client.objects.locked(client), timezone.now()
    before = client.key_sets.live().first()
    if url == (before.url if before else ""):
        return False
    if before:
        ClientKeySet.objects.filter(pk=before.pk).update(revoked_at=now)
        AccessToken.objects.filter(key_set=before).revoke(now)
    if url:
        ClientKeySet.objects.create(client=client, url=url, created_by=by.user)
    audit.record(
        audit.Action.KEY_SET_URL_CHANGED,
        by,
        organization=client.organization,
        client=client,
        before=before.url if before else "",
        after=url,
    )
    return True


def _add(client: Client, key: keys.PublicKey, *, name: str, by: Actor) -> ClientKey:
    try:
        with transaction.atomic():
            row = ClientKey.objects.create(
                client=client,
                name=name,
                kid=key.kid,
                algorithm=key.algorithm,
                bits=key.bits,
                jwk=key.jwk,
                thumbprint=key.thumbprint,
                created_by=by.user,
            )
    except IntegrityError as error:
        raise KidTakenError(
            f"“{client.name}” already has a key with the key ID “{key.kid}”. Revoke that key first."
        ) from error
    audit.record(
        audit.Action.KEY_ADDED,
        by,
        organization=client.organization,
        client=client,
        name=name,
        kid=key.kid,
        algorithm=key.algorithm,
        bits=key.bits,
        thumbprint=key.thumbprint,
    )
    return row
