"""An assertion that is not signed as it should be, or cannot be read in one way only, opens nothing."""

import base64
import hashlib
import hmac
import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from credentials.models import AccessToken, ClientKey
from tests.credentials.tokens.refusals import assert_unproven
from tests.credentials.tokens.signing import Signer, by_hand, ec_key, jwk, public_pem, rsa_key


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
