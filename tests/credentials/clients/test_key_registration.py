"""Giving a client its public keys, and taking them back; each act is written down with it."""

import json

import pytest
from django.db import connection

from credentials.actor import Actor
from credentials.clients import keys
from credentials.clients.key_registration import (
    KidTakenError,
    TooManyKeysError,
    UrlRefusedError,
    add_keys,
    revoke_key,
    set_key_set_url,
)
from credentials.clients.revocation import revoke_client
from credentials.models import KEYS_AT_MOST, AccessToken, AuditEvent, ClientKey, ClientKeySet, ClientRevokedError
from credentials.trail.audit import Action
from tests.credentials.tokens.signing import Signer, ec_key, jwk, key_set, private_jwk, private_pem, public_pem, rsa_key

URL = "https://keys.example.org/jwks.json"


@pytest.fixture
def client(world):
    return world.api_client().client


def events(action: Action) -> list[dict]:
    return [event.detail for event in AuditEvent.objects.filter(action=action).order_by("id")]


def test_a_key_is_kept_with_its_name_its_algorithm_and_who_added_it(world, client):
    (key,) = add_keys(client, public_pem(rsa_key()), name="Warehouse", kid="2026-11", by=Actor(user=world.delegate))

    assert ClientKey.objects.get() == key
    assert (key.name, key.kid, key.algorithm, key.bits) == ("Warehouse", "2026-11", "RS384", 2048)
    assert (key.created_by, key.is_live) == (world.delegate, True)
    event = AuditEvent.objects.get(action=Action.KEY_ADDED)
    assert (event.user, event.client, event.organization) == (world.delegate, client, world.harbor)
    assert event.detail == {
        "name": "Warehouse",
        "kid": "2026-11",
        "algorithm": "RS384",
        "bits": 2048,
        "thumbprint": key.thumbprint,
    }


def test_of_a_jwk_only_the_public_key_is_kept(client):
    given = jwk(ec_key(), "first", x5c=["a certificate"], note="a remark")

    (key,) = add_keys(client, json.dumps(given), name="ETL", by=Actor())

    assert key.jwk == {name: given[name] for name in ("crv", "kty", "x", "y")}


def test_all_keys_of_a_set_are_added_or_none(client):
    with pytest.raises(keys.KeyRefusedError):
        add_keys(client, key_set(jwk(ec_key(), "a"), jwk(rsa_key(1024), "b")), name="ETL", by=Actor())
    assert not ClientKey.objects.exists()

    add_keys(client, key_set(jwk(ec_key(), "a"), jwk(rsa_key(), "b")), name="ETL", by=Actor())

    assert {event["kid"] for event in events(Action.KEY_ADDED)} == {"a", "b"}


@pytest.mark.parametrize("pasted", [private_pem(rsa_key()), json.dumps(private_jwk(ec_key(), "a"))])
def test_a_private_key_is_refused_and_stands_nowhere(client, caplog, pasted):
    with pytest.raises(keys.PrivateKeyRefusedError):
        add_keys(client, pasted, name="ETL", by=Actor())

    assert not ClientKey.objects.exists()
    assert events(Action.KEY_ADDED) == []
    assert not any(part in caplog.text for part in pasted.split() if len(part) > 20)


def test_a_key_id_is_given_once_as_long_as_it_lives(client):
    (first,) = add_keys(client, public_pem(ec_key()), name="One", kid="a", by=Actor())

    with pytest.raises(KidTakenError, match="“a”"):
        add_keys(client, public_pem(ec_key(number=2)), name="Two", kid="a", by=Actor())
    assert ClientKey.objects.get() == first
    revoke_key(first, by=Actor())
    add_keys(client, public_pem(ec_key(number=2)), name="Two", kid="a", by=Actor())

    assert [key.name for key in ClientKey.objects.live()] == ["Two"]
    assert Signer(client, ec_key(number=2), kid="a").ask_for_token().status_code == 200
    assert Signer(client, ec_key(), kid="a").ask_for_token().status_code == 401


def test_a_client_has_so_many_keys_at_most(client):
    add_keys(client, key_set(*(jwk(ec_key(), str(number)) for number in range(KEYS_AT_MOST))), name="Many", by=Actor())

    with pytest.raises(TooManyKeysError, match=str(KEYS_AT_MOST)):
        add_keys(client, public_pem(ec_key()), name="One more", by=Actor())

    assert ClientKey.objects.count() == KEYS_AT_MOST
    revoke_key(ClientKey.objects.first(), by=Actor())
    add_keys(client, public_pem(ec_key()), name="One more", by=Actor())


def test_revoking_a_key_ends_its_tokens_and_no_others_and_happens_once(world, client):
    one, two = (Signer(client, ec_key(number=number), kid=str(number)).register() for number in (1, 2))
    tokens = [each.ask_for_token().json()["access_token"] for each in (one, two)]
    key = client.keys.get(kid="1")

    assert revoke_key(key, by=Actor(user=world.delegate))
    assert not revoke_key(key, by=Actor(user=world.delegate))

    assert [one.get("/api/v2/jobs/1", token).status_code for token in tokens] == [401, 404]
    assert [token.key.kid for token in AccessToken.objects.live()] == ["2"]
    assert events(Action.KEY_REVOKED) == [{"name": "By hand", "kid": "1"}]


def test_a_revoked_client_gets_no_keys(client):
    revoke_client(client, by=Actor())

    with pytest.raises(ClientRevokedError):
        add_keys(client, public_pem(ec_key()), name="ETL", by=Actor())
    with pytest.raises(ClientRevokedError):
        set_key_set_url(client, URL, by=Actor())

    assert not ClientKey.objects.exists()
    assert not ClientKeySet.objects.exists()


# --- The URL ----------------------------------------------------------------------------------------------------------


def test_a_url_is_set_changed_and_taken_away(world, client):
    assert set_key_set_url(client, f" {URL} ", by=Actor(user=world.delegate))
    assert not set_key_set_url(client, URL, by=Actor(user=world.delegate))
    assert set_key_set_url(client, f"{URL}?2", by=Actor(user=world.delegate))
    assert set_key_set_url(client, "", by=Actor(user=world.delegate))
    assert not set_key_set_url(client, "", by=Actor(user=world.delegate))

    assert not client.key_sets.live().exists()
    assert events(Action.KEY_SET_URL_CHANGED) == [
        {"before": "", "after": URL},
        {"before": URL, "after": f"{URL}?2"},
        {"before": f"{URL}?2", "after": ""},
    ]


def test_the_tokens_of_a_url_end_with_it(client):
    set_key_set_url(client, URL, by=Actor())
    of_url = AccessToken.objects.create(
        application=client, key_set=client.key_sets.get(), token_checksum="0" * 64, expires="2999-01-01T00:00:00Z"
    )

    set_key_set_url(client, f"{URL}?2", by=Actor())

    of_url.refresh_from_db()
    assert not of_url.is_live
    assert not AccessToken.objects.live().exists()


@pytest.mark.parametrize(
    "url", ["http://keys.example.org/jwks.json", "https://user:word@keys.example.org/", "keys.example.org", "https://"]
)
def test_a_url_that_may_not_be_called_is_refused(client, url):
    with pytest.raises(UrlRefusedError):
        set_key_set_url(client, url, by=Actor())

    assert not ClientKeySet.objects.exists()
    assert events(Action.KEY_SET_URL_CHANGED) == []


def test_http_is_for_sandboxes_of_the_embedded_demo_alone(world, client, settings):
    with pytest.raises(UrlRefusedError):
        set_key_set_url(client, "http://127.0.0.1:9000/jwks.json", by=Actor())
    world.harbor.is_sandbox = True
    world.harbor.save()
    client.organization.refresh_from_db()

    assert set_key_set_url(client, "http://127.0.0.1:9000/jwks.json", by=Actor())
    settings.ALLOW_LOOPBACK_FOR_SANDBOX = False
    with pytest.raises(UrlRefusedError):
        set_key_set_url(client, "http://127.0.0.1:9001/jwks.json", by=Actor())


def test_the_database_keeps_one_live_url_a_client_and_one_origin_a_token(db):
    with connection.cursor() as cursor:
        cursor.execute("SELECT indexdef FROM pg_indexes WHERE indexname IN ('key_set_once', 'key_id_once')")
        indexes = [definition for (definition,) in cursor.fetchall()]
        cursor.execute("SELECT count(*) FROM pg_constraint WHERE conname = 'access_token_bought_with_one'")
        (constraints,) = cursor.fetchone()

    assert len(indexes) == 2
    assert all("UNIQUE" in definition and "revoked_at IS NULL" in definition for definition in indexes)
    assert constraints == 1
