"""The pages on which a delegate replaces a secret."""

import datetime as dt
import re

import pytest
from django.utils import timezone

from credentials.actor import Actor
from credentials.clients import issuing, key_registration, revocation, rotation
from credentials.clients.rotation import Overlap
from credentials.models import AuditEvent, ClientSecret, Organization
from credentials.trail.audit import Action
from tests.credentials.tokens.signing import ec_key, jwk, key_set
from tests.world import ApiClient

CREDENTIALS = "/organizations/A9994/credentials"
SECRET = re.compile(r"cgs_[0-9a-f]{64}")


@pytest.fixture
def api(world) -> ApiClient:
    return world.api_client()


@pytest.fixture
def where(api) -> str:
    return f"{CREDENTIALS}/{api.client.client_id}"


def shown(delegate, response) -> str:
    return SECRET.search(delegate.get(response["Location"]).content.decode())[0]


def test_the_page_asks_what_shall_become_of_the_old_secret_and_recommends_72_hours(delegate, api, where, read):
    response = delegate.get(f"{where}/rotate")

    page = read(response)
    assert api.secret[-4:] in page.text
    for words in ("Keep it for 72 hours (recommended)", "Keep it for 24 hours", "the secret may have leaked"):
        assert words in page.text
    for words in (
        "Downloads and exports aren’t interrupted",
        "its access tokens are no longer valid either",
        "Running exports continue either way",
    ):
        assert words in page.text
    assert re.search(r'value="72"[^>]*\bchecked', response.content.decode())


@pytest.mark.parametrize("hours", [72, 24])
def test_with_an_overlap_both_secrets_work_and_the_page_says_until_when(delegate, api, where, read, hours):
    response = delegate.post(f"{where}/rotate", {"overlap": hours})
    page = delegate.get(response["Location"])

    new = SECRET.search(page.content.decode())[0]
    assert response.status_code == 302
    assert response["Location"] == f"{where}/secret"
    assert [api.ask_for_token(secret=each).status_code for each in (new, api.secret)] == [200, 200]
    old = ClientSecret.objects.get(hint=api.secret[-4:])
    assert old.expires_at - timezone.now() < dt.timedelta(hours=hours)
    text = read(page).text
    assert f"…{old.hint} works until" in text
    assert "Revoke the old secret now" in text
    assert "no-store" in page["Cache-Control"]
    assert AuditEvent.objects.get(action=Action.SECRET_ROTATED).user.email == "delegate@harbor.example"


def test_without_an_overlap_the_old_secret_and_its_tokens_end(delegate, api, where, read):
    api.sign_in()

    response = delegate.post(f"{where}/rotate", {"overlap": "0"})
    page = delegate.get(response["Location"])

    assert "No longer valid" in read(page).text
    assert api.ask_for_token().status_code == 401
    assert api.get("/api/v2/jobs/1").status_code == 401
    assert api.ask_for_token(secret=SECRET.search(page.content.decode())[0]).status_code == 200


def test_coming_back_to_the_page_never_makes_another_secret(delegate, where, read):
    response = delegate.post(f"{where}/rotate", {"overlap": "72"})

    first, again = (delegate.get(response["Location"]) for _ in range(2))

    assert SECRET.search(first.content.decode())
    assert not SECRET.search(again.content.decode())
    assert "This secret was already shown" in read(again).text
    assert f"{where}/rotate" in again.content.decode()
    assert ClientSecret.objects.count() == 2


def test_sent_twice_the_second_changes_nothing_and_shows_both(delegate, where, read):
    delegate.post(f"{where}/rotate", {"overlap": "72"})

    again = delegate.post(f"{where}/rotate", {"overlap": "24"}, follow=True)

    page = read(again)
    assert "Nothing was changed. “ETL” already has two valid secrets." in page.text
    assert "ETL has two valid secrets" in page.text
    for secret in ClientSecret.objects.all():
        assert f"…{secret.hint}" in page.text
        assert f"{where}/secrets/{secret.pk}/revoke" in again.content.decode()
    assert ClientSecret.objects.count() == 2
    assert AuditEvent.objects.filter(action=Action.SECRET_ROTATED).count() == 1


def test_while_two_are_valid_the_emergency_ends_both(delegate, api, where):
    second = shown(delegate, delegate.post(f"{where}/rotate", {"overlap": "72"}))

    third = shown(delegate, delegate.post(f"{where}/rotate", {"overlap": "0"}))

    assert [api.ask_for_token(secret=each).status_code for each in (api.secret, second, third)] == [401, 401, 200]


def test_a_client_whose_secret_has_expired_is_given_another_without_a_question(delegate, api, where, read):
    ClientSecret.objects.update(expires_at=timezone.now() - dt.timedelta(days=1))

    asked = read(delegate.get(f"{where}/rotate"))
    new = shown(delegate, delegate.post(f"{where}/rotate", {"overlap": "0"}))

    assert "This client has no valid secret, so it can’t sign in." in asked.text
    assert "72 hours" not in asked.text
    assert api.ask_for_token(secret=new).status_code == 200


@pytest.mark.parametrize("overlap", ["", "12", "-1", "now"])
def test_an_answer_that_was_not_offered_changes_nothing(delegate, where, read, overlap):
    response = delegate.post(f"{where}/rotate", {"overlap": overlap})

    assert response.status_code == 400
    assert "There is a problem" in read(response).text
    assert ClientSecret.objects.count() == 1


def test_an_old_secret_that_would_end_sooner_keeps_its_end_and_the_page_says_so(delegate, where, read):
    soon = timezone.now() + dt.timedelta(hours=5)
    ClientSecret.objects.update(expires_at=soon)

    asked = read(delegate.get(f"{where}/rotate"))
    delegate.post(f"{where}/rotate", {"overlap": "72"})

    assert "The old secret still expires on" in asked.text
    assert ClientSecret.objects.exclude(replaced_at=None).get().expires_at == soon


def test_a_denied_organization_gets_no_new_secret(delegate, world, where):
    Organization.objects.update(status=Organization.Status.DENIED)

    response = delegate.post(f"{where}/rotate", {"overlap": "72"})

    assert response.status_code == 403
    assert ClientSecret.objects.count() == 1


def test_a_client_that_was_revoked_meanwhile_gets_no_new_secret(delegate, world, api, where, monkeypatch):
    really = rotation.rotate_secret

    def too_late(client, **options):
        revocation.revoke_client(client, by=Actor(user=world.delegate))
        return really(client, **options)

    monkeypatch.setattr(rotation, "rotate_secret", too_late)

    response = delegate.post(f"{where}/rotate", {"overlap": "72"})

    assert response.status_code == 404
    assert ClientSecret.objects.count() == 1


# --- The client's page ----------------------------------------------------------------------------------------------


def test_the_clients_page_lists_every_secret_with_its_state(delegate, world, api, where, read):
    expired = ClientSecret.objects.get()
    ClientSecret.objects.update(expires_at=timezone.now() - dt.timedelta(days=1), slot=None)
    revoked = issuing.issue_secret(api.client, by=Actor(user=world.delegate))[-4:]
    api.client.secrets.get(hint=revoked).delete()
    rotation.rotate_secret(api.client, overlap=Overlap.NONE, by=Actor(user=world.delegate))
    rotation.rotate_secret(api.client, overlap=Overlap.THREE_DAYS, by=Actor(user=world.delegate))

    page = read(delegate.get(where))

    assert f"…{expired.hint} Expired" in page.text
    assert "Being replaced" in page.text
    assert "Two secrets are valid." in page.text
    assert "by Person" in page.text
    assert "Revoke the old secret now" in page.text


@pytest.mark.parametrize(
    ("ahead", "advice"),
    [
        (dt.timedelta(days=9), "Rotate it before"),
        (dt.timedelta(days=-3), "This client can’t sign in: its secret expired"),
    ],
)
def test_the_clients_page_says_what_to_do(delegate, where, read, ahead, advice):
    ClientSecret.objects.update(expires_at=timezone.now() + ahead)

    response = delegate.get(where)

    assert advice in read(response).text
    assert f"{where}/rotate" in response.content.decode()


def test_the_clients_page_tells_of_refused_calls(delegate, api, where, read):
    api.ask_for_token(secret="cgs_wrong")
    ApiClient(api.client, api.secret, address="9.9.9.9").ask_for_token()

    page = read(delegate.get(where))

    assert "2 so far, the last less than a minute ago from 9.9.9.9" in page.text


def test_a_client_with_a_key_alone_is_active(delegate, world, api, where, read):
    key_registration.add_keys(api.client, key_set(jwk(ec_key(), "k1")), name="Warehouse", by=Actor(user=world.delegate))
    ClientSecret.objects.update(slot=None, revoked_at=timezone.now())

    page, listed = read(delegate.get(where)), read(delegate.get(CREDENTIALS))

    assert "Active" in page.text
    assert "key ID k1" in page.text
    assert "Uses a key" in listed.text


def test_a_secret_that_was_imported_shows_no_characters(delegate, where, read):
    ClientSecret.objects.update(digest=None, imported_hash="c2FsdA==:aGFzaA==:1", hint="")

    assert "imported from the SSAS" in read(delegate.get(where)).text
