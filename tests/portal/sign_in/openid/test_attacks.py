"""What attackers try with OpenID Connect, and what of a provider's words is believed."""

import json
import time
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import requests
from allauth.socialaccount.models import SocialAccount
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.test import Client as Browser

from portal.sign_in.openid_connect import Adapter, OpenIdProvider
from tests.portal.sign_in.openid.provider import START, SUBJECT, come_in, consent, go, is_in, with_query

# --- Attacks ----------------------------------------------------------------------------------------------------------


def assert_refused(visitor: Browser, read) -> None:
    assert "We couldn’t sign you in with Test IdP." in read(visitor.get("/sign-in")).text
    assert not is_in(visitor)
    assert not SocialAccount.objects.exists()


@pytest.mark.parametrize("state", ["", "made-up", "x" * 40])
def test_an_answer_to_no_question_is_refused(visitor, read, state):
    back = consent(go(visitor))

    visitor.get(with_query(back, state=state))

    assert_refused(visitor, read)


def test_an_answer_to_another_browsers_question_is_refused(visitor, read):
    back = consent(go(Browser()))  # an attacker signs in, and has the victim follow the way back

    visitor.get(back)

    assert_refused(visitor, read)


def test_a_code_of_another_sign_in_is_refused_by_its_nonce(visitor, read):
    stolen = parse_qs(urlsplit(consent(go(Browser()))).query)["code"][0]
    back = consent(go(visitor))

    visitor.get(with_query(back, code=stolen))

    assert_refused(visitor, read)


def test_an_answer_counts_once(visitor):
    back = consent(go(visitor))
    visitor.get(back)
    visitor.post("/sign-out")

    visitor.get(back)

    assert not is_in(visitor)


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example", "/\\evil.example", "https:evil"])
def test_it_leads_to_no_other_site(visitor, elsewhere):
    assert come_in(visitor, next=elsewhere)["Location"] == "/organizations"


def test_a_code_that_the_provider_does_not_know_is_refused(visitor, read):
    visitor.get(with_query(consent(go(visitor)), code="made-up"))

    assert_refused(visitor, read)


# --- What a provider says, and what of it is believed -----------------------------------------------------------------


class Forger:
    """Has the adapter see tokens that a provider, or somebody in between, might make."""

    def __init__(self, monkeypatch, issuer: str) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.claims = {"iss": issuer, "sub": SUBJECT, "aud": "claimsgate", "iat": time.time(), "exp": time.time() + 60}
        self.told = {"sub": SUBJECT, "email": "delegate@harbor.example", "email_verified": True}
        self.algorithm: str | None = "RS256"
        self.header: dict = {}
        self.signs_with = self.key
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        monkeypatch.setattr(Adapter, "_key", lambda _, __: jwt.PyJWK({**public, "alg": "RS256"}))
        monkeypatch.setattr(Adapter, "_user_info", lambda _, __: self.told)
        monkeypatch.setattr(Adapter, "get_access_token_data", lambda adapter, *_, **__: self._token(adapter))

    def _token(self, adapter: Adapter) -> dict:
        claims = {"nonce": adapter.nonce, **self.claims}
        signed = jwt.encode(claims, self.signs_with, algorithm=self.algorithm, headers=self.header)
        return {"access_token": "x", "id_token": signed}


@pytest.fixture
def forger(monkeypatch, issuer) -> Forger:
    return Forger(monkeypatch, issuer)


def test_a_token_in_order_is_believed(visitor, forger):
    come_in(visitor)

    assert is_in(visitor)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"aud": "another-client"},
        {"aud": ["claimsgate", "another-client"]},
        {"exp": 1},
        {"nonce": "another"},
        {"nonce": ""},
        {"iat": time.time() + 3600},
        {"sub": "somebody-else"},
    ],
)
def test_a_token_that_is_not_for_this_sign_in_is_refused(visitor, forger, read, claims):
    forger.claims |= claims

    come_in(visitor)

    assert_refused(visitor, read)


@pytest.mark.parametrize("missing", ["exp", "aud", "sub", "iat"])
def test_a_token_that_says_too_little_is_refused(visitor, forger, read, missing):
    del forger.claims[missing]

    come_in(visitor)

    assert_refused(visitor, read)


def test_a_token_signed_by_somebody_else_is_refused(visitor, forger, read):
    forger.signs_with = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    come_in(visitor)

    assert_refused(visitor, read)


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_a_token_without_a_signature_or_signed_with_the_public_key_is_refused(visitor, forger, read, algorithm):
    forger.algorithm = algorithm
    forger.signs_with = None if algorithm == "none" else "a shared key that the attacker hopes for, 32 bytes"

    come_in(visitor)

    assert_refused(visitor, read)


def test_user_info_about_somebody_else_is_refused(visitor, forger, read):
    forger.told["sub"] = "somebody-else"

    come_in(visitor)

    assert_refused(visitor, read)


def test_a_provider_that_calls_itself_otherwise_is_refused(configured, issuer, read):
    configured(issuer=f"{issuer}/")
    visitor = Browser()

    response = visitor.get(START)

    assert response["Location"] == "/sign-in"
    assert_refused(visitor, read)


def test_a_private_key_can_stand_for_the_secret(configured, monkeypatch, tmp_path, issuer, account):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = tmp_path / "key.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    configured(private_key_file=str(pem), key_id="our-key", acr_values="urn:acr.login.gov:auth-only")
    sent: list[dict] = []
    request = requests.Session.request

    def watch(session, method, url, **options):
        if url.endswith("/oauth2/token"):
            sent.append(options["data"])
        return request(session, method, url, **options)

    monkeypatch.setattr(requests.Session, "request", watch)
    visitor = Browser()
    address = go(visitor)
    visitor.get(consent(address))

    assert parse_qs(urlsplit(address).query)["acr_values"] == ["urn:acr.login.gov:auth-only"]
    assert "client_secret" not in sent[0]
    assert sent[0]["code_verifier"]
    assert sent[0]["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    assertion = jwt.decode(
        sent[0]["client_assertion"], key.public_key(), algorithms=["RS256"], audience=f"{issuer}/oauth2/token"
    )
    assert (assertion["iss"], assertion["sub"]) == ("claimsgate", "claimsgate")
    assert assertion["exp"] - assertion["iat"] == 300
    assert jwt.get_unverified_header(sent[0]["client_assertion"])["kid"] == "our-key"


def test_the_same_subject_of_another_issuer_is_another_person():
    one, two = ({"iss": f"https://{name}.example", "sub": SUBJECT} for name in ("one", "two"))

    assert OpenIdProvider.extract_uid(None, one) != OpenIdProvider.extract_uid(None, two)
