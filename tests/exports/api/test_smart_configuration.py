"""Discovery (SMART App Launch 2.2.0): what a client has to be told before it can ask for a token."""

import pytest

from tests.credentials.tokens.signing import TOKEN_URL, Signer

PATHS = ["/.well-known/smart-configuration", "/api/v2/.well-known/smart-configuration"]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("accept", [None, "application/json", "application/fhir+xml", "text/html"])
def test_it_is_json_for_everybody(client, path, accept):
    answer = client.get(path, headers={"Accept": accept} if accept else {})

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"


@pytest.mark.parametrize("path", PATHS)
def test_it_says_what_backend_services_need(client, path):
    said = client.get(path).json()

    assert said["token_endpoint"] == TOKEN_URL
    assert said["grant_types_supported"] == ["client_credentials"]
    assert said["token_endpoint_auth_methods_supported"][0] == "private_key_jwt"
    assert said["token_endpoint_auth_signing_alg_values_supported"] == ["ES384", "RS384"]
    assert {"client-confidential-asymmetric", "permission-v1", "permission-v2"} <= set(said["capabilities"])
    assert said["code_challenge_methods_supported"] == ["S256"]
    # Nobody signs in here, and nothing launches.
    assert not {"authorization_endpoint", "issuer", "jwks_uri", "registration_endpoint"} & said.keys()


def test_the_endpoints_that_it_names_are_there(client):
    said = client.get(PATHS[0]).json()

    endpoints = [url for name, url in said.items() if name.endswith("_endpoint")]

    assert len(endpoints) == 3
    assert {client.get(url.removeprefix("http://testserver")).status_code for url in endpoints} == {405}


def test_every_scope_that_it_names_is_granted(world, client):
    signer = Signer(world.api_client().client).register()
    supported = client.get(PATHS[1]).json()["scopes_supported"]

    answer = signer.ask_for_token(scope=" ".join(supported))

    assert {"system/*.read", "system/*.rs", "system/ExplanationOfBenefit.rs"} <= set(supported)
    assert answer.json()["scope"].split() == supported


def test_the_capability_statement_names_the_same_token_endpoint(client):
    security = client.get("/api/v2/metadata").json()["rest"][0]["security"]

    (uris,) = [each["extension"] for each in security["extension"] if each["url"].endswith("oauth-uris")]
    assert {each["url"]: each["valueUri"] for each in uris}["token"] == TOKEN_URL


def test_the_audience_that_it_names_is_the_one_that_is_accepted(world, client):
    signer = Signer(world.api_client().client).register()
    named = client.get(PATHS[1], headers={"Host": "localhost:8000"}).json()["token_endpoint"]

    assert named == "http://localhost:8000/auth/token"
    here = signer.browser.post(
        "/auth/token", signer.form(signer.assertion(aud=named)), headers={"Host": "localhost:8000"}
    )
    elsewhere = signer.ask_for_token(signer.assertion(aud=named))
    assert (here.status_code, elsewhere.status_code) == (200, 401)


def test_it_is_only_read(client):
    assert client.post(PATHS[0]).status_code == 405
