"""The pages of a client's public keys."""

import json
import runpy
from pathlib import Path

import pytest
import requests
from django.test import Client as Browser

from credentials.access import limits
from credentials.actor import Actor
from credentials.clients import key_registration
from credentials.models import AuditEvent, ClientKey, ClientKeySet, Organization
from credentials.trail.audit import Action
from portal.pages.clients.keys import key_trials
from tests.credentials.clients.key_server import KeyServer
from tests.credentials.tokens.signing import ec_key, jwk, key_set, private_jwk, private_pem, public_pem, rsa_key
from tests.world import HOME_ADDRESS

URL = "https://keys.harbor.example/jwks.json"


@pytest.fixture
def client_of_harbor(world):
    return world.api_client().client


@pytest.fixture
def where(client_of_harbor) -> str:
    return f"/organizations/A9994/credentials/{client_of_harbor.client_id}/keys"


@pytest.fixture
def here(world):
    """A server on this machine that publishes keys; Harbor is a sandbox, so that it may be called."""
    Organization.objects.filter(pk=world.harbor.pk).update(is_sandbox=True)
    server = KeyServer()
    yield server
    server.stop()


def add(delegate, where, pasted: str, **fields):
    return delegate.post(f"{where}/new", {"name": "Warehouse", "pasted": pasted, **fields}, follow=True)


@pytest.mark.parametrize(
    "pasted",
    [
        form(key)
        for key in (ec_key(), rsa_key())
        for form in (lambda key: json.dumps(jwk(key, "k1")), lambda key: key_set(jwk(key, "k1")), public_pem)
    ],
    ids=["EC JWK", "EC JWK Set", "EC PEM", "RSA JWK", "RSA JWK Set", "RSA PEM"],
)
def test_a_public_key_is_added_in_every_form(delegate, client_of_harbor, where, read, pasted):
    response = add(delegate, where, pasted, kid="k1" if "BEGIN" in pasted else "")

    row = client_of_harbor.keys.get()
    assert (row.kid, row.created_by.email) == ("k1", "delegate@harbor.example")
    page = read(response)
    assert "can now sign in with “k1”" in page.text
    assert row.thumbprint in page.text
    assert AuditEvent.objects.get(action=Action.KEY_ADDED).user == row.created_by


@pytest.mark.parametrize(
    "secret",
    [
        private_pem(ec_key()),
        private_pem(rsa_key()),
        json.dumps(private_jwk(ec_key(), "k1")),
        json.dumps({"keys": [private_jwk(rsa_key(), "k1")]}),
    ],
    ids=["EC PEM", "RSA PEM", "EC JWK", "RSA JWK Set"],
)
def test_a_private_key_is_refused_with_a_warning_and_is_nowhere_in_the_answer(delegate, where, read, secret):
    response = add(delegate, where, secret)

    text = response.content.decode()
    assert response.status_code == 400
    assert "You pasted a private key. Stop using it." in read(response).text
    assert not any(
        part in text for part in secret.replace('"', "\n").splitlines() if len(part) > 30 and "-----" not in part
    )
    assert not ClientKey.objects.exists()
    assert not AuditEvent.objects.filter(action=Action.KEY_ADDED).exists()


def test_a_secret_that_is_not_known_as_one_is_not_repeated_either(delegate, where):
    response = add(delegate, where, "PuTTY-User-Key-File-3: ssh-rsa\nPrivate-Lines: 14\nAAAAB3NzaC1yc2Et0h1s1sS3cr3t")

    assert response.status_code == 400
    assert "S3cr3t" not in response.content.decode()


def test_what_is_known_to_be_public_is_kept_in_the_form(delegate, where):
    response = add(delegate, where, public_pem(ec_key()), name="")

    assert response.status_code == 400
    assert "BEGIN PUBLIC KEY" in response.content.decode()


def test_a_key_id_that_is_taken_is_told_at_the_field(delegate, where, read):
    add(delegate, where, key_set(jwk(ec_key(), "k1")))

    response = add(delegate, where, key_set(jwk(rsa_key(), "k1")))

    assert "already has a key with the key ID “k1”" in read(response).errors_of("id_pasted")
    assert ClientKey.objects.count() == 1


def test_a_ninth_key_is_refused(delegate, where, read):
    add(delegate, where, key_set(*(jwk(ec_key(), f"k{number}") for number in range(8))))

    response = add(delegate, where, key_set(jwk(rsa_key(), "k9")))

    assert "The client has too many keys: at most 8 are allowed." in read(response).errors_of("id_pasted")
    assert ClientKey.objects.count() == 8
    assert "/keys/new" not in delegate.get(where).content.decode()


def test_revoking_a_key_asks_first(delegate, world, client_of_harbor, where, read):
    [key] = key_registration.add_keys(
        client_of_harbor, key_set(jwk(ec_key(), "k1")), name="Old", by=Actor(user=world.delegate)
    )

    asked = read(delegate.get(f"{where}/{key.pk}/revoke"))
    before = ClientKey.objects.get().revoked_at
    response = delegate.post(f"{where}/{key.pk}/revoke", follow=True)

    assert "Revoke key Old?" in asked.text
    assert before is None
    assert ClientKey.objects.get().revoked_at is not None
    assert "The key “Old” was revoked" in read(response).text
    assert delegate.post(f"{where}/{key.pk}/revoke").status_code == 404


def test_the_key_of_another_client_is_not_found_under_this_one(delegate, world, where):
    others = [world.api_client(name="Other").client, world.api_client(world.mesa, addresses=["9.9.9.9"]).client]

    for other in others:
        [key] = key_registration.add_keys(other, key_set(jwk(ec_key(), "k1")), name="Theirs", by=Actor())
        assert delegate.post(f"{where}/{key.pk}/revoke").status_code == 404
        assert ClientKey.objects.get(pk=key.pk).revoked_at is None


def test_a_url_is_saved_changed_and_taken_back(delegate, client_of_harbor, where, read):
    saved = delegate.post(f"{where}/url", {"url": URL}, follow=True)
    changed = delegate.post(f"{where}/url", {"url": f"{URL}?2"}, follow=True)
    asked = read(delegate.get(f"{where}/url/revoke"))
    ended = delegate.post(f"{where}/url/revoke", follow=True)

    assert f"fetch the keys of “ETL” from {URL}." in read(saved).text
    assert f"fetch the keys of “ETL” from {URL}?2." in read(changed).text
    assert "access tokens from keys at the current URL are no longer valid" not in asked.text
    assert "Stop fetching keys for " in asked.text
    assert "We no longer fetch keys for “ETL”." in read(ended).text
    assert not client_of_harbor.key_sets.live().exists()
    assert [event.user.email for event in AuditEvent.objects.filter(action=Action.KEY_SET_URL_CHANGED)] == [
        "delegate@harbor.example"
    ] * 3


@pytest.mark.parametrize("url", ["http://keys.harbor.example/", "https://a:b@keys.example/", "keys.example", ""])
def test_a_url_that_may_not_be_called_is_refused_at_the_field(delegate, where, read, url):
    response = delegate.post(f"{where}/url", {"url": url})

    assert response.status_code == 400
    assert read(response).errors_of("id_url")
    assert not ClientKeySet.objects.exists()


def test_trying_a_url_shows_its_keys_and_saves_nothing(delegate, where, read, here):
    here.body = key_set(jwk(ec_key(), "good"), jwk(rsa_key(), "weak"), {"kty": "OKP", "kid": "other"})

    response = delegate.post(f"{where}/url", {"url": here.url(), "try": "yes"})

    page = read(response)
    assert response.status_code == 200
    assert "3 keys found, 2 usable" in page.text
    assert "good: ES384, 384 bits" in page.text
    assert "weak: RS384, 2048 bits. RSA with 2048 bits works. We recommend 3072 bits or an EC key." in page.text
    assert "other: This type of key is not supported." in page.text
    assert page.by_id["id_url"]["value"] == here.url()
    assert here.requests == ["/jwks.json"]
    assert not ClientKeySet.objects.exists()


def test_trying_a_url_that_does_not_answer_rightly_says_what_is_wrong(delegate, where, read, here):
    here.status = 503

    page = read(delegate.post(f"{where}/url", {"url": here.url(), "try": "yes"}))

    assert "We couldn’t fetch the keys" in page.text
    assert "returned status 503" in page.text


def test_a_url_that_leads_inside_is_not_called(delegate, where, read, world, here):
    Organization.objects.update(is_sandbox=False)

    page = read(delegate.post(f"{where}/url", {"url": here.url().replace("http:", "https:"), "try": "yes"}))

    assert "localhost does not resolve to a public IP address." in page.text
    assert here.requests == []


def test_after_too_many_tries_no_server_is_called(delegate, world, where, read, here):
    budget = limits.Budget(f"portal.key_trials:{world.harbor.pk}", key_trials.TRIES_AT_MOST)
    for _ in range(key_trials.TRIES_AT_MOST):
        limits.spend([budget])

    page = read(delegate.post(f"{where}/url", {"url": here.url(), "try": "yes"}))

    assert "Too many calls" in page.text
    assert here.requests == []


def test_the_page_tells_a_developer_what_to_do(delegate, client_of_harbor, where, read):
    page = read(delegate.get(where))

    assert page.text_of["token-url"] == "http://testserver/auth/token"
    for words in (client_of_harbor.client_id, "at most 5 minutes", "ES384 or RS384", "private.pem"):
        assert words in page.text


def posted(url: str, *, data, timeout: float):
    """As `requests.post` would, from an address on the list."""
    assert timeout
    return Browser(REMOTE_ADDR=HOME_ADDRESS).post(url, data)


@pytest.fixture(params=[ec_key(), rsa_key()], ids=["EC", "RSA"])
def key(request, tmp_path, monkeypatch):
    """A private key, in the file that a program finds beside it."""
    (tmp_path / "private.pem").write_text(private_pem(request.param))
    monkeypatch.chdir(tmp_path)
    return request.param


def test_the_program_on_the_page_fetches_a_token(delegate, where, read, key, monkeypatch):
    add(delegate, where, key_set(jwk(key, 'it\'s "k1"')))
    program = Path("sign.py")
    program.write_text(read(delegate.get(where)).text_of["sign"])
    monkeypatch.setattr(requests, "post", posted)

    ran = runpy.run_path(str(program))

    assert ran["answer"].status_code == 200
    assert ran["answer"].json()["scope"] == "system/*.rs"


def test_a_colleague_sees_the_keys_and_no_way_to_change_them(colleague, world, client_of_harbor, where, read):
    key_registration.add_keys(
        client_of_harbor, key_set(jwk(ec_key(), "k1")), name="Warehouse", by=Actor(user=world.delegate)
    )

    response = colleague.get(where)

    assert "Warehouse" in read(response).text
    assert "You can view this page, but you can’t change it." in read(response).text
    for path in ("/new", "/url", "/revoke"):
        assert f"{where}{path}" not in response.content.decode()


def test_of_a_revoked_client_the_keys_can_be_seen_and_not_changed(delegate, world, client_of_harbor, where):
    key_registration.add_keys(
        client_of_harbor, key_set(jwk(ec_key(), "k1")), name="Warehouse", by=Actor(user=world.delegate)
    )
    delegate.post(where.replace("/keys", "/revoke"))

    assert delegate.get(where).status_code == 200
    assert add(delegate, where, key_set(jwk(rsa_key(), "k2"))).status_code == 404
    assert ClientKey.objects.count() == 1
