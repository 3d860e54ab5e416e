"""SMART Backend Services at the token endpoint: what a signed assertion opens, and every way in which it must not."""

import datetime as dt
import json
import logging
import re
import time
import urllib.parse

import jwt
import pytest
from django.utils import timezone

from credentials.actor import Actor
from credentials.clients import revocation
from credentials.clients.key_registration import revoke_key
from credentials.models import AccessToken, AuditEvent, ClientKey, Organization, SpentAssertion
from credentials.trail.audit import Action
from tests.credentials.tokens.refusals import assert_told, assert_unproven, refusals
from tests.credentials.tokens.signing import TOKEN_URL, Signer, ec_key, rsa_key
from tests.world import HOME_ADDRESS, OTHER_ADDRESS


@pytest.mark.parametrize("key", [rsa_key(), rsa_key(3072), ec_key()])
def test_a_signed_assertion_gets_smarts_answer(world, key):
    signer = Signer(world.api_client().client, key).register()

    answer = signer.ask_for_token()

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    assert (answer["Cache-Control"], answer["Pragma"]) == ("no-store", "no-cache")
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("bearer", 300, "system/*.rs")
    opened = signer.get("/api/v2/jobs/1", body["access_token"])
    assert opened.status_code == 404  # past the door: there is no such job


def test_the_token_ends_after_five_minutes_and_remembers_its_key(signer):
    signer.ask_for_token()

    token = AccessToken.objects.get()
    assert dt.timedelta(minutes=4) < token.expires - timezone.now() <= dt.timedelta(minutes=5)
    assert (token.secret, token.key, token.key_set) == (None, ClientKey.objects.get(), None)


def test_the_use_is_remembered_and_written_down(world, signer):
    signer.ask_for_token()

    signer.client.refresh_from_db()
    assert signer.client.last_used_address == HOME_ADDRESS
    assert ClientKey.objects.get().last_used_at == signer.client.last_used_at is not None
    event = AuditEvent.objects.for_organization(world.harbor).get(action=Action.TOKEN_ISSUED)
    assert event.detail == {"kid": "first", "scope": "system/*.rs"}


def test_optional_claims_and_the_audience_in_a_list_are_fine(signer):
    now = int(time.time())

    answer = signer.ask_for_token(signer.assertion(aud=[TOKEN_URL], iat=now, nbf=now, exp=now + 60.5))

    assert answer.status_code == 200


def test_a_header_that_means_nothing_here_is_ignored(signer):
    # The Bulk Data test client sends the key's type.
    assert signer.ask_for_token(signer.assertion(header={"kty": "EC"})).status_code == 200


def test_clocks_may_differ_by_half_a_minute(signer):
    now = int(time.time())

    answers = [
        signer.ask_for_token(signer.assertion(exp=now + 320)),
        signer.ask_for_token(signer.assertion(exp=now - 20)),
        signer.ask_for_token(signer.assertion(iat=now + 20, nbf=now + 20)),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200]


# --- Scopes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        ("system/*.read", "system/*.read"),
        ("system/Patient.read system/Observation.rs", "system/Patient.read system/Observation.rs"),
        ("system/*.cruds", "system/*.rs"),
        ("launch system/Patient.rs system/Nothing.rs patient/*.read", "system/Patient.rs"),
    ],
)
def test_what_can_be_granted_of_the_scope_is(signer, asked, granted):
    answer = signer.ask_for_token(scope=asked)

    assert answer.json()["scope"] == granted
    assert AccessToken.objects.get().scope == granted


@pytest.mark.parametrize("scope", [None, "", " ", "launch fhirUser", "system/*.write", "system/Nothing.rs"])
def test_a_scope_of_which_nothing_can_be_granted_is_refused(signer, scope):
    answer = signer.ask_for_token(scope=scope)

    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_scope"
    assert not AccessToken.objects.exists()


# --- The form ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"grant_type": "not_a_grant_type"}, "unsupported_grant_type"),
        ({"grant_type": None}, "invalid_request"),
        ({"client_assertion_type": None}, "invalid_request"),
        ({"client_assertion_type": "not_an_assertion_type"}, "invalid_request"),
        ({"client_assertion": None}, "invalid_request"),
        ({"client_assertion": ""}, "invalid_request"),
        ({"client_secret": "cgs_" + "0" * 64}, "invalid_request"),
        ({"scope": ["system/*.rs", "system/*.rs"]}, "invalid_request"),
    ],
)
def test_a_form_that_is_not_the_standards_is_refused(signer, changes, error):
    answer = signer.ask_for_token(**changes)

    assert answer.status_code == 400
    assert answer.json()["error"] == error
    assert not AccessToken.objects.exists()


def test_an_assertion_and_a_secret_together_are_refused(world):
    api = world.api_client()
    signer = Signer(api.client).register()

    answer = signer.browser.post("/auth/token", signer.form(), headers={"Authorization": "Basic YTpi"})

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert not AccessToken.objects.exists()


def test_the_client_id_of_the_form_has_to_be_that_of_the_assertion(world, signer):
    other = world.api_client(name="Other").client

    right = signer.ask_for_token(client_id=signer.client.client_id)
    AccessToken.objects.all().delete()
    wrong = signer.ask_for_token(client_id=other.client_id)

    assert right.status_code == 200
    assert_told(wrong, "assertion_subject", "client_id")


# --- Claims, of assertions whose signature is right -------------------------------------------------------------------


NOW = int(time.time())


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"iss": None}, "assertion_subject", "iss and sub"),
        ({"iss": "someone else"}, "assertion_subject", "iss and sub"),
        ({"aud": None}, "assertion_audience", TOKEN_URL),
        ({"aud": "http://testserver/auth/token/"}, "assertion_audience", TOKEN_URL),
        ({"aud": "http://testserver"}, "assertion_audience", TOKEN_URL),
        ({"aud": "https://testserver/auth/token"}, "assertion_audience", TOKEN_URL),
        ({"aud": "http://elsewhere.example/auth/token"}, "assertion_audience", TOKEN_URL),
        ({"aud": [TOKEN_URL, "http://elsewhere.example/auth/token"]}, "assertion_audience", TOKEN_URL),
        ({"aud": {TOKEN_URL: 1}}, "assertion_audience", TOKEN_URL),
        ({"exp": None}, "assertion_times", "exp"),
        ({"exp": "soon"}, "assertion_times", "exp"),
        ({"exp": True}, "assertion_times", "exp"),
        ({"exp": 10**400}, "assertion_times", "exp"),
        ({"iat": "now"}, "assertion_times", "iat"),
        ({"exp": NOW - 3600}, "assertion_expired", "expired"),
        ({"exp": -1}, "assertion_expired", "expired"),
        ({"exp": NOW + 3600}, "assertion_long_lived", "5 minutes"),
        ({"exp": 10**30}, "assertion_long_lived", "5 minutes"),
        ({"nbf": NOW + 3600}, "assertion_not_yet_valid", "nbf"),
        ({"iat": NOW + 3600}, "assertion_not_yet_valid", "iat"),
        ({"jti": None}, "assertion_without_jti", "jti"),
        ({"jti": ""}, "assertion_without_jti", "jti"),
        ({"jti": 7}, "assertion_without_jti", "jti"),
        ({"jti": "x" * 257}, "assertion_without_jti", "jti"),
    ],
)
def test_a_claim_that_is_not_right_is_told_to_whoever_signed_it(signer, changes, reason, words):
    # PyJWT would not write some of them.
    assertion = jwt.PyJWS().encode(
        json.dumps({**signer.claims(), **changes}).encode(), signer.key, algorithm="ES384", headers={"kid": signer.kid}
    )

    answer = signer.ask_for_token(assertion)

    assert_told(answer, reason, words)
    assert not SpentAssertion.objects.exists()


# --- The gate ---------------------------------------------------------------------------------------------------------


def test_a_revoked_key_opens_nothing_any_more_and_neither_do_its_tokens(signer):
    token = signer.ask_for_token().json()["access_token"]
    key = ClientKey.objects.get()

    revoke_key(key, by=Actor())

    assert signer.get("/api/v2/jobs/1", token).status_code == 401
    answer = signer.ask_for_token()
    assert answer.status_code == 401
    assert "revoked" in answer.json()["error_description"]
    assert refusals() == ["key_revoked"]
    assert not SpentAssertion.objects.filter(pk__gt=SpentAssertion.objects.earliest("pk").pk).exists()


def test_a_token_that_was_just_being_bought_with_a_key_when_that_was_revoked_opens_nothing(signer):
    token = signer.ask_for_token().json()["access_token"]

    # What a revocation leaves that did not see the token yet.
    ClientKey.objects.update(revoked_at=timezone.now())

    assert signer.get("/api/v2/jobs/1", token).status_code == 401


def test_the_key_of_a_revoked_client_opens_nothing(signer):
    revocation.revoke_client(signer.client, by=Actor())

    answer = signer.ask_for_token()

    assert (answer.status_code, answer.json()["error"]) == (403, "access_denied")
    assert "revoked" in answer.json()["error_description"]
    assert not AccessToken.objects.exists()
    assert refusals() == ["client_revoked"]


def test_a_denied_organization_gets_no_token(world, signer):
    Organization.objects.filter(pk=world.harbor.pk).update(status=Organization.Status.DENIED)

    answer = signer.ask_for_token()

    assert answer.status_code == 403
    assert "A9994" in answer.json()["error_description"]
    assert not AccessToken.objects.exists()
    assert refusals() == ["organization_denied"]


def test_an_address_that_is_not_listed_is_refused_and_named_and_the_assertion_is_used_up(signer):
    elsewhere = Signer(signer.client, signer.key, address=OTHER_ADDRESS)
    assertion = elsewhere.assertion()

    answer = elsewhere.ask_for_token(assertion)

    assert (answer.status_code, answer.json()["error"]) == (403, "access_denied")
    assert OTHER_ADDRESS in answer.json()["error_description"]
    assert not AccessToken.objects.exists()
    event = AuditEvent.objects.get(action=Action.TOKEN_REFUSED)
    assert (event.address, event.detail["reason"]) == (OTHER_ADDRESS, "address_not_allowed")
    # Whoever has overheard it cannot use it from the right address.
    assert signer.ask_for_token(assertion).status_code == 401


def test_the_address_is_told_to_nobody_who_cannot_sign(signer):
    elsewhere = Signer(signer.client, ec_key(number=2), address=OTHER_ADDRESS)

    answer = elsewhere.ask_for_token()

    assert_unproven(answer, "signature_wrong")


# --- The other endpoints ----------------------------------------------------------------------------------------------


def test_a_client_with_a_key_ends_its_own_token(signer):
    token = signer.ask_for_token().json()["access_token"]

    answer = signer.browser.post("/auth/revoke", signer.form(grant_type=None, scope=None, token=token))

    assert answer.status_code == 200
    assert signer.get("/api/v2/jobs/1", token).status_code == 401


def test_a_client_with_a_key_asks_about_its_own_token(signer):
    token = signer.ask_for_token(scope="system/Patient.read").json()["access_token"]

    answer = signer.browser.post("/auth/introspect", signer.form(grant_type=None, scope=None, token=token))

    assert answer.status_code == 200
    assert (answer.json()["active"], answer.json()["scope"]) == (True, "system/Patient.read")


# --- Nothing of it stays anywhere -------------------------------------------------------------------------------------


def test_nothing_of_an_assertion_is_logged_or_written_down(signer, caplog):
    right, forged = signer.assertion(), signer.assertion(key=ec_key(number=2))

    with caplog.at_level(logging.DEBUG):
        signer.ask_for_token(right)
        signer.ask_for_token(forged)
        signer.ask_for_token(forged[:-9])

    told = caplog.text + json.dumps(list(AuditEvent.objects.values_list("detail", flat=True)))
    parts = [part for assertion in (right, forged) for part in assertion.split(".")[1:]]
    assert parts
    assert not [part for part in parts if part in told or urllib.parse.quote(part) in told]
    assert not re.search(r"eyJ[\w-]{20,}", told)
