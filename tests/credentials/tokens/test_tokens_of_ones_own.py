"""A client asks about its tokens (RFC 7662), ends them (RFC 7009) and tries them (/auth/welcome)."""

import pytest

from credentials.actor import Actor
from credentials.clients import revocation
from credentials.models import AccessToken, AuditEvent, Organization
from credentials.trail.audit import Action
from tests.world import OTHER_ADDRESS, ApiClient

JOB, WELCOME = "/api/v2/jobs/1", "/auth/welcome"


@pytest.fixture
def api(world) -> ApiClient:
    return world.api_client().sign_in()


@pytest.fixture
def stranger_api(world) -> ApiClient:
    return world.api_client(world.mesa, name="Theirs").sign_in()


def post(path: str, caller: ApiClient, token: str, **form: str):
    return caller.browser.post(
        path, {"token": token, "client_id": caller.client.client_id, "client_secret": caller.secret, **form}
    )


def test_a_client_learns_about_its_own_token(api):
    response = post("/auth/introspect", api, api.token)

    assert response.status_code == 200
    assert response["Cache-Control"] == "no-store"
    token = AccessToken.objects.get()
    assert response.json() == {
        "active": True,
        "client_id": api.client.client_id,
        "exp": int(token.expires.timestamp()),
        "iat": int(token.created.timestamp()),
        "scope": token.scope,
        "token_type": "Bearer",
    }


def test_of_a_token_of_somebody_else_a_client_learns_nothing(api, stranger_api):
    response = post("/auth/introspect", api, stranger_api.token)

    assert (response.status_code, response.json()) == (200, {"active": False})


@pytest.mark.parametrize("token", ["cgt_" + "0" * 64, "x", "é\n"])
def test_an_unknown_token_is_not_active(api, token):
    assert post("/auth/introspect", api, token).json() == {"active": False}


def test_an_expired_token_is_not_active(api):
    token = AccessToken.objects.get()
    AccessToken.objects.update(expires=token.created)

    assert post("/auth/introspect", api, api.token).json() == {"active": False}


@pytest.mark.parametrize("path", ["/auth/introspect", "/auth/revoke"])
def test_without_credentials_nothing_is_told_and_nothing_ends(api, path):
    response = api.browser.post(path, {"token": api.token})

    assert response.status_code == 401
    assert response.json() == {"error": "invalid_client"}
    assert response["WWW-Authenticate"].startswith("Basic ")
    assert AccessToken.objects.live().count() == 1


@pytest.mark.parametrize("path", ["/auth/introspect", "/auth/revoke"])
def test_the_gate_stands_before_these_too(api, path):
    elsewhere = ApiClient(api.client, api.secret, address=OTHER_ADDRESS)

    response = post(path, elsewhere, api.token)

    assert response.status_code == 403
    assert OTHER_ADDRESS in response.json()["error_description"]
    assert AccessToken.objects.live().count() == 1


@pytest.mark.parametrize("path", ["/auth/introspect", "/auth/revoke"])
def test_a_request_without_a_token_is_invalid(api, path):
    response = api.browser.post(path, {"client_id": api.client.client_id, "client_secret": api.secret})

    assert response.status_code == 400
    assert response.json()["error"] == "invalid_request"


def test_a_client_ends_its_token(api, world):
    response = post("/auth/revoke", api, api.token)

    assert response.status_code == 200
    assert api.get(JOB).status_code == 401
    assert post("/auth/introspect", api, api.token).json() == {"active": False}
    assert AuditEvent.objects.for_organization(world.harbor).filter(action=Action.TOKEN_REVOKED).count() == 1


def test_a_client_ends_no_token_of_somebody_else(api, stranger_api):
    response = post("/auth/revoke", api, stranger_api.token)

    assert response.status_code == 200
    assert stranger_api.get(JOB).status_code == 404
    assert not AuditEvent.objects.filter(action=Action.TOKEN_REVOKED).exists()


def test_ending_a_token_twice_or_an_unknown_one_is_no_error(api):
    assert [post("/auth/revoke", api, token).status_code for token in (api.token, api.token, "x")] == [200] * 3

    assert AuditEvent.objects.filter(action=Action.TOKEN_REVOKED).count() == 1


@pytest.mark.parametrize("path", ["/auth/introspect", "/auth/revoke"])
def test_only_post_is_answered(client, path):
    assert client.get(path).status_code == 405


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/fhir+json"])
def test_a_good_token_is_welcomed(api, accept):
    response = api.get(WELCOME, Accept=accept)

    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert response.json() == {"success": "Welcome to the Beneficiary Claims Data API!"}


def test_a_bad_token_is_not(api, world, client):
    revocation.revoke_client(api.client, by=Actor(user=world.delegate))

    refused = [api.get(WELCOME), client.get(WELCOME)]

    assert [answer.status_code for answer in refused] == [401, 401]
    assert [answer["Content-Type"] for answer in refused] == ["application/fhir+json"] * 2
    assert [answer.json()["issue"][0]["diagnostics"] for answer in refused] == ["Expired Token", "Invalid Token"]


def test_a_denied_organization_is_not_welcome(api, world):
    Organization.objects.filter(pk=world.harbor.pk).update(status=Organization.Status.DENIED)

    assert api.get(WELCOME).status_code == 403
