"""Clients that sign assertions, as SMART Backend Services has them: key pairs, and what is made with them."""

import base64
import functools
import json
import time
import uuid
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.test import Client as Browser

from credentials.actor import Actor
from credentials.clients.key_registration import add_keys
from credentials.models import Client
from tests.world import HOME_ADDRESS

# Django's test client calls this host.
TOKEN_URL = "http://testserver/auth/token"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@functools.cache
def rsa_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    """A private key; the same for the same number, since making one takes a while."""
    return rsa.generate_private_key(65537, bits)


@functools.cache
def ec_key(curve: type[ec.EllipticCurve] = ec.SECP384R1, number: int = 0) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve())


def private_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def public_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def jwk(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, kid: str, **members: Any) -> dict[str, Any]:
    """The public JWK of a key, as PyJWT writes it."""
    algorithm = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, **members}


def private_jwk(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, kid: str) -> dict[str, Any]:
    algorithm = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
    return {**algorithm.to_jwk(key, as_dict=True), "kid": kid}


def key_set(*jwks: dict[str, Any]) -> str:
    return json.dumps({"keys": jwks})


def by_hand(header: dict[str, Any], claims: Any, signature: bytes = b"") -> str:
    """A JWT that no library would make."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


class Signer:
    """A client of the API that proves itself by its private key."""

    def __init__(
        self,
        client: Client,
        key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | None = None,
        *,
        kid: str = "first",
        address: str = HOME_ADDRESS,
    ) -> None:
        self.client = client
        self.key = key or ec_key()
        self.kid = kid
        self.browser = Browser(REMOTE_ADDR=address)

    def register(self) -> "Signer":
        """Have the client's public key registered by hand."""
        add_keys(self.client, json.dumps(jwk(self.key, self.kid)), name="By hand", by=Actor())
        return self

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Right ones; a change to None leaves a claim out."""
        now = int(time.time())
        claims = {
            "iss": self.client.client_id,
            "sub": self.client.client_id,
            "aud": TOKEN_URL,
            "exp": now + 300,
            "jti": str(uuid.uuid4()),
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def assertion(
        self, *, header: dict[str, Any] | None = None, algorithm: str | None = None, key: Any = None, **changes: Any
    ) -> str:
        usual = "RS384" if isinstance(self.key, rsa.RSAPrivateKey) else "ES384"
        headers = {"kid": self.kid, **(header or {})}
        return jwt.encode(self.claims(**changes), key or self.key, algorithm=algorithm or usual, headers=headers)

    def form(self, assertion: str | None = None, **changes: Any) -> dict[str, Any]:
        """The form of a token request; a change to None leaves a parameter out."""
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion or self.assertion(),
            "scope": "system/*.rs",
            **changes,
        }
        return {name: value for name, value in form.items() if value is not None}

    def ask_for_token(self, assertion: str | None = None, **changes: Any):
        """POST /auth/token as SMART Backend Services has it."""
        return self.browser.post("/auth/token", self.form(assertion, **changes))

    def get(self, path: str, token: str, **headers: str):
        return self.browser.get(path, headers={"Authorization": f"Bearer {token}", **headers})
