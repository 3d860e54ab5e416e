"""Which public keys are taken, from which formats, and what is refused."""

import base64
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from credentials.clients import keys
from tests.credentials.tokens.signing import ec_key, jwk, key_set, private_jwk, private_pem, public_pem, rsa_key


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
    assert "new key pair" in str(refused.value)
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
        ({"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "kid": "a"}, "type of key is not supported"),
        ({"kid": "a"}, "type of key is not supported"),
        ({"kty": ["RSA"], "kid": "a"}, "type of key is not supported"),
        (jwk(rsa_key(), ""), "kid"),
        ({**jwk(rsa_key(), "a"), "kid": 7}, "kid"),
        (jwk(rsa_key(), "a\0b"), "kid"),
        (jwk(rsa_key(), "\ud800"), "not a character"),
        (jwk(rsa_key(), "a" * 201), "kid"),
    ],
)
def test_weak_foreign_and_malformed_jwks_are_refused_with_a_reason(given, reason):
    with pytest.raises(keys.KeyRefusedError, match=reason):
        keys.read(json.dumps(given))


def encoded(number: int, length: int = 0) -> str:
    raw = number.to_bytes(max(length, (number.bit_length() + 7) // 8))
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def prime(bits: int, number: int = 0) -> int:
    """A prime of so many bits: a factor of a key that is twice as long."""
    return rsa_key(2 * bits, number).private_numbers().p


# Found by OpenSSL, and of no use to anybody.
LONG_PRIME = int(
    "C34D1EB842795CDB6244ED9E860AEC073BD24EB4DD29A6B50888CBE480D7FF2D289D0D9EB613BEB684DC8B1573FDA8234FFF99CB56F2D741"
    "BA9A5AD9D9265E0DDD658CEF889C0C2D3F0AB29CED1AD51CCAEE56449348923B1A46AB87F7ACD9D586BD2C21ABFDC9A0DA34286CF77FD198"
    "78DE8FF2DF50C68DC7C15DE6D981FAB006F327825E98A655A7269DCB502C19E02F61479906AAAD5AA5B3E56C41613609637F33DAB0BB781C"
    "5987F2BCE179807D5084656FA3C8B8799559F25D0163145A08557E94DB3E12D34992701B945D2FF72D80846447FC2B1A8947D9874AC549DC"
    "A9C16DFE8C32A5708F66352A0B6CEAD9F129AF0DC566DD9046B417B1F0BEDBE3",
    16,
)


@pytest.mark.parametrize(
    ("n", "reason"),
    [
        (2 * LONG_PRIME, "is even"),
        (2**2047, "is even"),
        (rsa_key().public_key().public_numbers().n - 1, "is even"),
        (3 * LONG_PRIME, "has a small factor"),
        (65521 * LONG_PRIME, "has a small factor"),  # the greatest prime with 16 bits
        (257 * rsa_key(2048, 1).public_key().public_numbers().n, "has a small factor"),
        (3**1300, "has a small factor"),
        (prime(1024) ** 2, "close to each other"),
        (LONG_PRIME, "is a prime"),
        (2**2203 - 1, "is a prime"),
        (2**4423 - 1, "is a prime"),
    ],
    ids=lambda value: value if isinstance(value, str) else "n",  # the numbers are others in each process
)
def test_an_rsa_modulus_that_anyone_can_break_is_refused_however_it_comes(n, reason):
    pem = public_pem_of(n)

    with pytest.raises(keys.KeyRefusedError, match=reason):
        keys.read(json.dumps({"kty": "RSA", "kid": "a", "e": "AQAB", "n": encoded(n)}))
    with pytest.raises(keys.KeyRefusedError, match=reason):
        keys.read(pem)
    with pytest.raises(keys.KeyRefusedError, match=reason):
        keys.from_jwk({"kty": "RSA", "kid": "a", "e": "AQAB", "n": encoded(n)})


def public_pem_of(n: int) -> str:
    """The PEM of an RSA key with this modulus and the exponent 65537, written by hand (RFC 8017, A.1.1)."""
    modulus, exponent = integer(n), integer(65537)
    algorithm = tagged(0x30, bytes.fromhex("06092a864886f70d0101010500"))
    info = tagged(0x30, algorithm + tagged(0x03, b"\0" + tagged(0x30, modulus + exponent)))
    return f"-----BEGIN PUBLIC KEY-----\n{base64.encodebytes(info).decode()}-----END PUBLIC KEY-----\n"


def integer(number: int) -> bytes:
    return tagged(0x02, number.to_bytes(number.bit_length() // 8 + 1))


def tagged(tag: int, content: bytes) -> bytes:
    length = len(content).to_bytes(2)
    return bytes([tag, 0x82]) + length + content if len(content) > 127 else bytes([tag, len(content)]) + content


@pytest.mark.parametrize("e", [0, 1, 2, 3, 17, 65535, 65536, 65538, 2**31, 2**32 + 1])
def test_an_unusual_exponent_is_refused(e):
    with pytest.raises(keys.KeyRefusedError, match="exponent"):
        keys.read(json.dumps({**jwk(rsa_key(), "a"), "e": encoded(e, 1)}))


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_keys_as_libraries_make_them_are_taken(bits):
    assert keys.read(json.dumps(jwk(rsa_key(bits), "a")))[0].bits == bits


def test_a_coordinate_is_smaller_than_the_prime_of_its_field():
    # The point whose x is 2. With the prime added, x still has 48 bytes, and OpenSSL reads the same point.
    field_prime = 2**384 - 2**128 - 2**96 + 2**32 - 1
    y = int("8cdeadbbd04911a3c1931e26df3fa6439dca9c7eb286fbd46fc319f0e2bb780232baf57825fc0c1912ada2fefe84024c", 16)
    point = {"kty": "EC", "crv": "P-384", "kid": "a", "y": encoded(y, 48)}

    assert keys.read(json.dumps({**point, "x": encoded(2, 48)}))[0].bits == 384
    with pytest.raises(keys.KeyRefusedError, match="curve"):
        keys.read(json.dumps({**point, "x": encoded(2 + field_prime, 48)}))


def test_a_set_of_many_very_large_keys_is_refused_since_looking_at_them_takes_long():
    n = (2**4423 - 1) * (2**3217 - 1)
    large = [{"kty": "RSA", "kid": f"{number}", "e": "AQAB", "n": encoded(n)} for number in range(5)]

    assert len(keys.read(key_set(*large[:4]))) == 4
    with pytest.raises(keys.KeyRefusedError, match="More than 4"):
        keys.read(key_set(*large))


def test_pem_keys_of_other_kinds_are_refused():
    ed = ed25519.Ed25519PrivateKey.generate().public_key()
    of_ed = ed.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()

    for pasted in (of_ed, public_pem(ec_key(ec.SECP256R1)), public_pem(rsa_key(1024))):
        with pytest.raises(keys.KeyRefusedError):
            keys.read(pasted)
    with pytest.raises(keys.KeyRefusedError, match="CERTIFICATE"):
        keys.read("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----")
    with pytest.raises(keys.KeyRefusedError, match="Paste all of it"):
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
