import base64
import hashlib

import pytest
from django.db import connection
from django.utils import timezone

from credentials.models import AccessToken, AuditEvent, ClientSecret, Organization
from credentials.trail.audit import Action
from tests.world import HOME_ADDRESS, OTHER_ADDRESS, ApiClient


def test_the_documented_curl_gets_bcdas_answer(world):
    api = world.api_client()

    response = api.ask_for_token()

    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"
    answer = response.json()
    assert set(answer) == {"access_token", "expires_in", "token_type"}
    assert (answer["expires_in"], answer["token_type"]) == ("1200", "bearer")


@pytest.mark.parametrize("in_body", [True, False])
def test_the_standard_form_gets_the_standard_answer(world, in_body):
    api = world.api_client()
    form = {"grant_type": "client_credentials", "scope": "system/*.read"}
    headers = {}
    if in_body:
        form |= {"client_id": api.client.client_id, "client_secret": api.secret}
    else:
        basic = base64.b64encode(f"{api.client.client_id}:{api.secret}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}"}

    response = api.browser.post("/auth/token", form, headers=headers)

    assert response.status_code == 200
    answer = response.json()
    assert (answer["expires_in"], answer["token_type"], answer["scope"]) == (1200, "Bearer", "system/*.read")


def test_a_token_and_a_secret_are_kept_as_digests_only(world):
    api = world.api_client()

    token = api.ask_for_token().json()["access_token"]

    kept = AccessToken.objects.get()
    assert kept.token == ""
    assert kept.token_checksum == hashlib.sha256(token.encode()).hexdigest()
    assert bytes(ClientSecret.objects.get().digest) == hashlib.sha256(api.secret.encode()).digest()
    assert not _stands_anywhere_in_the_database(token)
    assert not _stands_anywhere_in_the_database(api.secret)


def test_a_secret_has_256_random_bits_and_lives_90_days(world):
    api = world.api_client()

    secret = ClientSecret.objects.get()

    assert len(bytes.fromhex(api.secret.removeprefix("cgs_"))) * 8 == 256
    assert (secret.expires_at - secret.created_at).days == 90


def test_a_wrong_secret_and_an_unknown_client_are_told_the_same(world):
    api = world.api_client()

    wrong_secret = api.ask_for_token(secret="cgs_" + "0" * 64)
    api.client.client_id = "00000000-0000-0000-0000-000000000000"
    unknown_client = api.ask_for_token()

    assert wrong_secret.status_code == unknown_client.status_code == 401
    assert wrong_secret.json() == unknown_client.json() == {"error": "invalid_client"}
    assert wrong_secret["WWW-Authenticate"].startswith("Basic ")
    assert not AccessToken.objects.exists()


def test_the_secret_of_one_client_does_not_open_for_another(world):
    ours = world.api_client()
    theirs = world.api_client(world.mesa, name="Theirs")

    response = ours.ask_for_token(secret=theirs.secret)

    assert response.status_code == 401
    assert not AccessToken.objects.exists()


@pytest.mark.parametrize("added", ["\0", "x", " ", "\N{ZERO WIDTH SPACE}", "\n", "-" * 1000])
def test_a_client_id_to_which_something_was_added_is_nobodys(world, added):
    api = world.api_client()
    client_id = api.client.client_id

    for wrong in (client_id + added, added + client_id):
        basic = base64.b64encode(f"{wrong}:{api.secret}".encode()).decode()
        response = api.browser.post("/auth/token", headers={"Authorization": f"Basic {basic}"})
        assert (response.status_code, response.json()) == (401, {"error": "invalid_client"})
    assert not AccessToken.objects.exists()


@pytest.mark.parametrize("header", ["", "Basic", "Basic !!!", "Basic bm9jb2xvbg==", "Bearer abc", "Basic /w=="])
def test_malformed_credentials_are_refused(world, client, header):
    response = client.post("/auth/token", headers={"Authorization": header} if header else {})

    assert response.status_code == 401
    assert response.json()["error"] == "invalid_client"


def test_another_grant_is_refused(world):
    api = world.api_client()
    form = {
        "grant_type": "password", "client_id": api.client.client_id, "client_secret": api.secret,
        "username": "delegate@harbor.example", "password": "a long password for tests",
    }  # fmt: skip

    response = api.browser.post("/auth/token", form)

    assert response.status_code == 400
    assert response.json()["error"] == "unsupported_grant_type"


def test_a_scope_that_does_not_exist_is_refused(world):
    api = world.api_client()
    form = {
        "grant_type": "client_credentials", "client_id": api.client.client_id, "client_secret": api.secret,
        "scope": "system/*.write",
    }  # fmt: skip

    response = api.browser.post("/auth/token", form)

    assert response.status_code == 400
    assert response.json()["error"] == "invalid_scope"


def test_an_address_that_is_not_listed_is_refused_and_named(world):
    api = world.api_client(addresses=[HOME_ADDRESS])
    elsewhere = ApiClient(api.client, api.secret, address=OTHER_ADDRESS)

    response = elsewhere.ask_for_token()

    assert response.status_code == 403
    assert response.json()["error"] == "access_denied"
    assert OTHER_ADDRESS in response.json()["error_description"]
    assert not AccessToken.objects.exists()
    event = AuditEvent.objects.for_organization(world.harbor).get(action=Action.TOKEN_REFUSED)
    assert (event.address, event.detail["reason"]) == (OTHER_ADDRESS, "address_not_allowed")


def test_the_address_is_told_to_nobody_who_does_not_know_the_secret(world):
    api = world.api_client(addresses=[HOME_ADDRESS])
    elsewhere = ApiClient(api.client, api.secret, address=OTHER_ADDRESS)

    response = elsewhere.ask_for_token(secret="cgs_" + "1" * 64)

    assert response.status_code == 401
    assert OTHER_ADDRESS not in response.content.decode()


def test_an_expired_secret_says_so_once_it_has_been_proven(world):
    api = world.api_client()
    ClientSecret.objects.update(expires_at=timezone.now())

    response = api.ask_for_token()

    assert response.status_code == 401
    assert "expired" in response.json()["error_description"]
    assert not AccessToken.objects.exists()


def test_a_denied_organization_gets_no_token(world):
    api = world.api_client()
    Organization.objects.filter(pk=world.harbor.pk).update(status=Organization.Status.DENIED)

    response = api.ask_for_token()

    assert response.status_code == 403
    assert "A9994" in response.json()["error_description"]
    assert not AccessToken.objects.exists()


def test_the_use_of_a_secret_is_remembered(world):
    api = world.api_client()

    api.ask_for_token()

    api.client.refresh_from_db()
    assert api.client.last_used_address == HOME_ADDRESS
    assert ClientSecret.objects.get().last_used_at == api.client.last_used_at is not None
    assert AuditEvent.objects.for_organization(world.harbor).filter(action=Action.TOKEN_ISSUED).count() == 1


def test_only_post_is_answered(client):
    assert client.get("/auth/token").status_code == 405


def _stands_anywhere_in_the_database(text: str) -> bool:
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        return any(_stands_in(cursor, table, text) for table in tables)


def _stands_in(cursor, table: str, text: str) -> bool:
    cursor.execute(f'SELECT count(*) FROM "{table}" AS row WHERE row::text LIKE %s', [f"%{text}%"])
    return cursor.fetchone()[0] > 0
