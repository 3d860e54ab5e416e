"""SMART Backend Services at the token endpoint: what a signed assertion opens, and every way in which it must not."""

import base64
import datetime as dt
import hashlib
import hmac
import json
import logging
import re
import time
import urllib.parse

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from django.utils import timezone

from credentials import tasks
from credentials.clients import revocation
from credentials.clients.key_registration import revoke_key
from credentials.models import AccessToken, AuditEvent, ClientKey, Organization, SpentAssertion
from credentials.tokens import assertions
from credentials.trail.audit import Action
from tests.credentials.tokens.signing import TOKEN_URL, Signer, by_hand, ec_key, jwk, public_pem, rsa_key
from tests.world import HOME_ADDRESS, OTHER_ADDRESS


@pytest.fixture
def signer(world) -> Signer:
    """A client of Harbor's with a key on the curve P-384."""
    return Signer(world.api_client().client).register()


def refusals() -> list[str]:
    """Why tokens were refused, as the audit trail tells Harbor."""
    events = AuditEvent.objects.filter(action=Action.TOKEN_REFUSED, organization__entity_id="A9994").order_by("id")
    return [event.detail["reason"] for event in events]


def assert_unproven(answer, reason: str | None) -> None:
    """Refused without a word about why; the delegate, however, can read it, if a client was named."""
    assert answer.status_code == 401
    assert answer.json() == {"error": "invalid_client"}
    assert not AccessToken.objects.exists()
    assert not SpentAssertion.objects.exists()
    assert refusals() == ([reason] if reason else [])


def assert_told(answer, reason: str, words: str) -> None:
    """Refused after the signature was verified: the client is told the reason."""
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"
    assert words in answer.json()["error_description"]
    assert not AccessToken.objects.exists()
    assert refusals() == [reason]


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


# --- Signatures -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None])
def test_an_assertion_without_signature_proves_nothing(signer, algorithm):
    header = {"typ": "JWT", "kid": signer.kid, "alg": algorithm}

    answer = signer.ask_for_token(by_hand(header, signer.claims()))

    assert_unproven(answer, "algorithm_not_allowed")


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512", "RS384"])
def test_the_public_key_is_no_secret_to_sign_with(world, algorithm):
    signer = Signer(world.api_client().client, rsa_key()).register()
    header = {"typ": "JWT", "kid": signer.kid, "alg": algorithm}
    unsigned = by_hand(header, signer.claims()).rsplit(".", 1)[0]
    for hashed in (hashlib.sha256, hashlib.sha384, hashlib.sha512):
        signature = hmac.new(public_pem(signer.key).encode(), unsigned.encode(), hashed).digest()

        answer = signer.ask_for_token(by_hand(header, signer.claims(), signature))

        assert_unproven(answer, "signature_wrong" if algorithm == "RS384" else "algorithm_not_allowed")


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS384"])
def test_other_algorithms_of_an_rsa_key_are_refused(world, algorithm):
    signer = Signer(world.api_client().client, rsa_key()).register()

    answer = signer.ask_for_token(signer.assertion(algorithm=algorithm))

    assert_unproven(answer, "algorithm_not_allowed")


def test_es256_is_refused(signer):
    answer = signer.ask_for_token(signer.assertion(algorithm="ES256", key=ec_key(ec.SECP256R1)))

    assert_unproven(answer, "algorithm_not_allowed")


def test_the_header_cannot_choose_another_algorithm_than_that_of_the_key(signer):
    # An RSA signature under the name of an EC key.
    answer = signer.ask_for_token(signer.assertion(algorithm="RS384", key=rsa_key()))

    assert_unproven(answer, "algorithm_not_allowed")


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")  # it is insecure on purpose
def test_a_key_of_1024_bits_is_refused_even_if_it_is_in_the_table(world):
    signer = Signer(world.api_client().client, rsa_key(1024))
    ClientKey.objects.create(
        client=signer.client, kid="first", algorithm="RS384", bits=1024, jwk=jwk(signer.key, "first"), name="Weak"
    )

    answer = signer.ask_for_token()

    assert_unproven(answer, "key_refused")


def test_a_signature_of_another_key_is_refused(signer):
    answer = signer.ask_for_token(signer.assertion(key=ec_key(number=2)))

    assert_unproven(answer, "signature_wrong")


def test_a_changed_assertion_is_refused(signer):
    header, claims, signature = signer.assertion().split(".")
    other_claims = signer.assertion().split(".")[1]

    answer = signer.ask_for_token(f"{header}.{other_claims}.{signature}")

    assert claims != other_claims
    assert_unproven(answer, "signature_wrong")


def test_the_key_of_one_client_does_not_sign_for_another(world):
    ours = Signer(world.api_client().client, ec_key(number=1)).register()
    theirs = Signer(world.api_client(world.mesa, name="Theirs").client, ec_key(number=2), kid="theirs").register()
    forged = theirs.assertion(iss=ours.client.client_id, sub=ours.client.client_id)

    answer = theirs.ask_for_token(forged)

    assert_unproven(answer, "key_unknown")


def test_the_same_key_id_at_two_clients_is_two_keys(world):
    ours = Signer(world.api_client().client, ec_key(number=1), kid="same").register()
    theirs = Signer(world.api_client(world.mesa, name="Theirs").client, ec_key(number=2), kid="same").register()

    forged = theirs.ask_for_token(theirs.assertion(iss=ours.client.client_id, sub=ours.client.client_id))

    assert_unproven(forged, "signature_wrong")
    assert ours.ask_for_token().status_code == 200
    assert theirs.ask_for_token().status_code == 200


@pytest.mark.parametrize("header", [{"kid": "another"}, {"kid": ""}, {"kid": "a\0b"}, {"kid": "a" * 9999}])
def test_a_key_id_that_the_client_does_not_have_is_refused(signer, header):
    claims, usual = signer.claims(), {"typ": "JWT", "alg": "ES384"}

    answer = signer.ask_for_token(by_hand({**usual, **header}, claims, b"x" * 96))

    assert_unproven(answer, None if len(header["kid"]) > 8000 else "key_unknown")


@pytest.mark.parametrize("header", [{}, {"kid": None}, {"kid": 7}, {"kid": ["first"]}])
def test_a_key_id_has_to_be_named(signer, header):
    assertion = by_hand({"typ": "JWT", "alg": "ES384", **header}, signer.claims(), b"x" * 96)

    answer = signer.ask_for_token(assertion)

    assert answer.status_code == 401
    assert answer.json() == {"error": "invalid_client"}
    assert not AccessToken.objects.exists()


def members(body: dict) -> str:
    """The members of a JSON object, without its braces."""
    return json.dumps(body)[1:-1]


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ('"sub": "somebody else"', ""),
        ('"aud": "http://elsewhere.example/auth/token"', ""),
        ("", '"exp": 99999999999'),
        ('"jti": "first"', ""),
        ('"j\\u0074i": "first"', ""),
        ("", '"more": {"a": 1, "a": 1}'),
        ("", '"more": NaN'),
        ("", '"more": -Infinity'),
        ("", '"more": 1e400'),
        ("", '"more": "\\ud800"'),
    ],
)
def test_claims_that_two_readers_understand_differently_open_nothing_whoever_signed_them(signer, first, last):
    text = "{" + ", ".join(part for part in (first, members(signer.claims()), last) if part) + "}"
    assertion = jwt.PyJWS().encode(text.encode(), signer.key, algorithm="ES384", headers={"kid": signer.kid})

    answer = signer.ask_for_token(assertion)

    assert_unproven(answer, None)


@pytest.mark.parametrize(
    "header", ['"kid": "other", "kid": "first"', '"kid": "first", "alg": "none"', '"kid": "first", "x": "\\udc00"']
)
def test_so_does_such_a_header(signer, header):
    right = signer.assertion()
    text = '{"typ": "JWT", "alg": "ES384", ' + header + "}"
    signed = f"{encoded(text)}.{right.split('.')[1]}"
    signature = jwt.get_algorithm_by_name("ES384").sign(signed.encode(), signer.key)

    answer = signer.ask_for_token(f"{signed}.{encoded(signature)}")

    assert_unproven(answer, None)


def encoded(part: str | bytes) -> str:
    raw = part.encode() if isinstance(part, str) else part
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.mark.parametrize("typ", [None, "at+jwt", "jwe"])
def test_the_type_has_to_be_jwt(signer, typ):
    answer = signer.ask_for_token(signer.assertion(header={"typ": typ}))

    assert_unproven(answer, "assertion_malformed")


def test_a_key_set_url_in_the_header_has_to_be_a_registered_one(signer):
    answer = signer.ask_for_token(signer.assertion(header={"jku": "https://attacker.example/jwks.json"}))

    assert_unproven(answer, "key_set_not_registered")


@pytest.mark.parametrize("header", [{"jwk": jwk(ec_key(number=2), "first")}, {"x5u": "https://attacker.example/x"}])
def test_a_key_in_the_header_is_not_looked_at(signer, header):
    answer = signer.ask_for_token(signer.assertion(key=ec_key(number=2), header=header))

    assert_unproven(answer, "signature_wrong")


def test_critical_headers_are_not_understood_and_refused(signer):
    answer = signer.ask_for_token(signer.assertion(header={"crit": ["unheard-of"], "unheard-of": 1}))

    assert answer.status_code == 401
    assert not AccessToken.objects.exists()


@pytest.mark.parametrize(
    "assertion",
    [
        "x",
        "..",
        "a.b.c",
        "é.é.é",
        "a" * 9000,
        by_hand({"alg": "ES384", "typ": "JWT", "kid": "first"}, ["no object"]),
        by_hand({"alg": "ES384", "typ": "JWT", "kid": "first"}, {"sub": ["a"], "iss": {}}),
        by_hand({"alg": "ES384", "typ": "JWT", "kid": "first"}, {"sub": "no-such-client"}),
        by_hand({"alg": "ES384", "typ": "JWT", "kid": "first"}, {"sub": "00000000-0000-0000-0000-000000000000"}),
        by_hand({"alg": "ES384", "typ": "JWT", "kid": "first"}, {"sub": "0000000\0-0000-0000-0000-000000000000"}),
        by_hand({"alg": "ES384", "typ": "JWT", "kid": "first", "b64": False, "crit": ["b64"]}, {"sub": "x"}),
        "W1tbW1tb" * 900 + ".e30.x",
    ],
)
def test_what_is_no_assertion_of_a_client_is_refused_without_a_fuss(signer, assertion):
    assert_unproven(signer.ask_for_token(assertion), None)


# --- Replay -----------------------------------------------------------------------------------------------------------


def test_an_assertion_opens_the_door_once(signer):
    assertion = signer.assertion()

    first, second = signer.ask_for_token(assertion), signer.ask_for_token(assertion)

    assert (first.status_code, second.status_code) == (200, 401)
    assert "already used" in second.json()["error_description"]
    assert AccessToken.objects.count() == 1
    assert refusals() == ["assertion_replayed"]


def test_a_jti_may_be_used_once_even_by_different_assertions_and_by_each_client(world, signer):
    other = Signer(world.api_client(world.mesa, name="Theirs").client, ec_key(number=2)).register()

    answers = [each.ask_for_token(each.assertion(jti="one")) for each in (signer, signer, other)]

    assert [answer.status_code for answer in answers] == [200, 401, 200]


def test_an_assertion_is_used_up_even_if_nothing_came_of_it(signer):
    assertion = signer.assertion()

    refused = signer.ask_for_token(assertion, scope="launch")
    again = signer.ask_for_token(assertion)

    assert (refused.status_code, again.status_code) == (400, 401)
    assert not AccessToken.objects.exists()


def test_of_a_used_assertion_only_a_digest_is_kept_until_it_could_not_be_used_again(signer):
    signer.ask_for_token(signer.assertion(jti="one"))

    spent = SpentAssertion.objects.get()
    assert bytes(spent.jti_digest) == hashlib.sha256(b"one").digest()
    tasks.forget_ended_tokens()
    assert SpentAssertion.objects.exists()
    SpentAssertion.objects.update(expires_at=timezone.now() - dt.timedelta(seconds=1))
    tasks.forget_ended_tokens()
    assert not SpentAssertion.objects.exists()


def test_it_is_remembered_for_longer_than_it_is_accepted(signer):
    now = int(time.time())

    signer.ask_for_token(signer.assertion(exp=now + 300))

    assert SpentAssertion.objects.get().expires_at.timestamp() == now + 300 + assertions.LEEWAY.total_seconds()


# --- The gate ---------------------------------------------------------------------------------------------------------


def test_a_revoked_key_opens_nothing_any_more_and_neither_do_its_tokens(signer):
    token = signer.ask_for_token().json()["access_token"]
    key = ClientKey.objects.get()

    revoke_key(key, by=None)

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
    revocation.revoke_client(signer.client, by=None)

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
