"""What people hold in their hands: an app that shows codes (RFC 6238), and passkeys (WebAuthn), as software."""

import base64
import hashlib
import hmac
import json
import os
import struct
import time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor
from fido2.cose import ES256
from fido2.webauthn import AttestedCredentialData, AuthenticatorData

STEP = 30
ORIGIN = "http://localhost"
Flag = AuthenticatorData.FLAG


def code(secret: str, *, steps: int = 0) -> str:
    """The code that an app shows now, or so many steps of 30 seconds later."""
    key = base64.b32decode(secret.replace(" ", ""))
    digest = hmac.new(key, struct.pack(">Q", int(time.time()) // STEP + steps), hashlib.sha1).digest()
    start = digest[-1] & 0xF
    return f"{(struct.unpack('>I', digest[start : start + 4])[0] & 0x7FFFFFFF) % 10**6:06}"


class Passkey:
    """A passkey that is kept for one person, and asks for a finger if it has a sensor."""

    def __init__(self, *, origin: str = ORIGIN, has_sensor: bool = True) -> None:
        self.origin = origin
        self.has_sensor = has_sensor
        self.identity = os.urandom(32)
        self.user_handle = ""
        self._key = ec.generate_private_key(ec.SECP256R1())

    def create(self, options: dict) -> str:
        """The browser's answer to `navigator.credentials.create`, as the portal's script sends it."""
        asked = options["publicKey"]
        self.user_handle = asked["user"]["id"]
        kept = AttestedCredentialData.create(
            b"\0" * 16, self.identity, ES256.from_cryptography_key(self._key.public_key())
        )
        data = AuthenticatorData.create(
            hashlib.sha256(asked["rp"]["id"].encode()).digest(), self._flags() | Flag.AT, 0, bytes(kept)
        )
        attested = cbor.encode({"fmt": "none", "attStmt": {}, "authData": bytes(data)})
        client = self._client_data("webauthn.create", asked["challenge"])
        return self._answer({"clientDataJSON": text(client), "attestationObject": text(attested)}, rk=True)

    def get(self, options: dict) -> str:
        """The same for `navigator.credentials.get`."""
        asked = options["publicKey"]
        data = bytes(AuthenticatorData.create(hashlib.sha256(asked["rpId"].encode()).digest(), self._flags(), 0))
        client = self._client_data("webauthn.get", asked["challenge"])
        signature = self._key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            {
                "clientDataJSON": text(client),
                "authenticatorData": text(data),
                "signature": text(signature),
                "userHandle": self.user_handle,
            }
        )

    def _flags(self) -> int:
        return Flag.UP | (Flag.UV if self.has_sensor else 0)

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _answer(self, response: dict, **properties: bool) -> str:
        return json.dumps(
            {
                "id": text(self.identity),
                "rawId": text(self.identity),
                "type": "public-key",
                "clientExtensionResults": {"credProps": properties} if properties else {},
                "response": response,
            }
        )


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
