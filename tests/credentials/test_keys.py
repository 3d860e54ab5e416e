"""Which public keys are taken, from which formats, and what is refused."""

import base64
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from credentials import keys
from tests.credentials.signing import ec_key, jwk, key_set, private_jwk, private_pem, public_pem, rsa_key


@pytest.mark.parametrize(
    ("private", "algorithm", "bits"),
    [(rsa_key(), "RS384", 2048), (rsa_key(3072), "RS384", 3072), (ec_key(), "ES384", 384)],
)
def test_rsa_and_p_384_keys_are_read_from_all_three_formats_alike(private, algorithm, bits):
    one = jwk(private, "a")

    from_jwk, from_set = keys.read(json.dumps(one)), keys.read(key_set(one))
    from_pem = keys.read(public_pem(private), kid="a")

    assert [key.jwk for key in (*from_jwk, *from_set, *from_pem)] == [from_jwk[0].jwk] * 3
    assert {(key.kid, key.algorithm, key.bits) for key in (*from_jwk, *from_set, *from_pem)} == {("a", algorithm, bits)}


def test_a_set_gives_all_its_keys():
    found = keys.read(key_set(jwk(rsa_key(), "a", use="sig", alg="RS384", key_ops=["verify"]), jwk(ec_key(), "b")))

    assert [key.kid for key in found] == ["a", "b"]


def test_several_pem_keys_get_their_thumbprints_as_names():
    found = keys.read(public_pem(rsa_key()) + "\n" + public_pem(ec_key()))

    assert [key.kid for key in found] == [key.thumbprint for key in found]
    with pytest.raises(keys.KeyRefusedError, match="one at a time"):
        keys.read(public_pem(rsa_key()) + public_pem(ec_key()), kid="one for both")


def test_the_thumbprint_is_that_of_rfc_7638():
    # The key and the thumbprint of the RFC's section 3.1.
    n = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMst"
        "n64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n"
        "91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )

    key = keys.from_jwk({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS384", "kid": "2011-04-29"})

    assert key.thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_short_keys_are_taken_with_advice():
    advice = [keys.read(public_pem(key))[0].advice for key in (rsa_key(2048), rsa_key(3072), ec_key())]

    assert advice[0] is not None
    assert "3072" in advice[0]
    assert advice[1:] == [None, None]


@pytest.mark.parametrize(
    "pasted",
    [
        private_pem(rsa_key()),
        private_pem(ec_key()),
        private_pem(rsa_key()).replace("BEGIN PRIVATE", "BEGIN RSA PRIVATE").replace("END PRIVATE", "END RSA PRIVATE"),
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB",
        public_pem(rsa_key()) + private_pem(rsa_key()),
        json.dumps(private_jwk(rsa_key(), "a")),
        json.dumps(private_jwk(ec_key(), "a")),
        key_set(jwk(rsa_key(), "a"), private_jwk(ec_key(), "b")),
        json.dumps({"kty": "oct", "kid": "a", "k": "c2VjcmV0"}),
    ],
)
def test_a_private_key_is_refused_and_burnt_and_repeated_nowhere(pasted):
    with pytest.raises(keys.PrivateKeyRefusedError) as refused:
        keys.read(pasted)

    assert "private key" in str(refused.value)
    assert "new pair" in str(refused.value)
    assert refused.value.__cause__ is None
    assert not any(part in str(refused.value) for part in pasted.split() if len(part) > 12)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (jwk(rsa_key(1024), "a"), "1024 bits"),
        (jwk(ec_key(ec.SECP256R1), "a"), "P-384"),
        (jwk(ec_key(ec.SECP521R1), "a"), "P-384"),
        ({**jwk(ec_key(ec.SECP256R1), "a"), "crv": "P-384"}, "48 bytes"),
        ({**jwk(ec_key(), "a"), "y": jwk(ec_key(), "a")["x"]}, "curve"),
        ({**jwk(rsa_key(), "a"), "e": "AQ"}, "not those of a key"),
        ({**jwk(rsa_key(), "a"), "e": jwk(rsa_key(), "a")["n"]}, "exponent"),
        ({**jwk(rsa_key(), "a"), "n": "A" * 4000}, "bits"),
        ({**jwk(rsa_key(), "a"), "n": "A" * 9000}, "base64url"),
        ({**jwk(rsa_key(), "a"), "n": "é"}, "base64url"),
        ({**jwk(rsa_key(), "a"), "n": "a b"}, "base64url"),
        ({**jwk(rsa_key(), "a"), "n": 7}, "base64url"),
        (jwk(rsa_key(), "a", use="enc"), "signatures"),
        (jwk(rsa_key(), "a", key_ops=["encrypt"]), "signatures"),
        (jwk(rsa_key(), "a", key_ops=5), "signatures"),
        (jwk(rsa_key(), "a", alg="RS256"), "RS384"),
        (jwk(rsa_key(), "a", alg="HS384"), "RS384"),
        (jwk(ec_key(), "a", alg="ES256"), "ES384"),
        ({"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "a"}, "another kind"),
        ({"kid": "a"}, "another kind"),
        ({"kty": ["RSA"], "kid": "a"}, "another kind"),
        (jwk(rsa_key(), ""), "kid"),
        ({**jwk(rsa_key(), "a"), "kid": 7}, "kid"),
        (jwk(rsa_key(), "a\0b"), "kid"),
        (jwk(rsa_key(), "\ud800"), "no character"),
        (jwk(rsa_key(), "a" * 201), "kid"),
    ],
)
def test_weak_foreign_and_malformed_jwks_are_refused_with_a_reason(given, reason):
    with pytest.raises(keys.KeyRefusedError, match=reason):
        keys.read(json.dumps(given))


def test_pem_keys_of_other_kinds_are_refused():
    ed = ed25519.Ed25519PrivateKey.generate().public_key()
    of_ed = ed.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()

    for pasted in (of_ed, public_pem(ec_key(ec.SECP256R1)), public_pem(rsa_key(1024))):
        with pytest.raises(keys.KeyRefusedError):
            keys.read(pasted)
    with pytest.raises(keys.KeyRefusedError, match="CERTIFICATE"):
        keys.read("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----")
    with pytest.raises(keys.KeyRefusedError, match="whole"):
        keys.read(f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(b'nothing').decode()}\n-----END PUBLIC KEY-----")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "ssh-rsa AAAAB3Nza",
        "[]",
        "7",
        "null",
        '{"keys": 7}',
        '{"keys": []}',
        '{"keys": [7]}',
        "[" * 100_000,
    ],
)
def test_what_is_no_key_at_all_is_refused(text):
    with pytest.raises(keys.KeyRefusedError):
        keys.read(text)


def test_two_keys_of_one_name_are_refused():
    with pytest.raises(keys.KeyRefusedError, match="same kid"):
        keys.read(key_set(jwk(rsa_key(), "a"), jwk(ec_key(), "a")))
