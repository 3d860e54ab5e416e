"""Django's database sessions, but encrypted, so a copy of the database doesn't reveal them."""

from typing import Any

from django.contrib.sessions.backends import db

from portal.sign_in import sealing


class SessionStore(db.SessionStore):
    """The session engine (SESSION_ENGINE)."""

    def _validate_session_key(self, key: str | None) -> bool:
        """Whether the key has only letters and digits, as our keys do. Only then is it looked up."""
        is_valid = super()._validate_session_key(key)  # type: ignore[misc]  # Django's own, which its types leave out
        return bool(is_valid) and str(key).isascii() and str(key).isalnum()

    def encode(self, session_dict: dict[str, Any]) -> str:
        return sealing.seal(self.serializer().dumps(session_dict).decode("latin-1"), purpose=sealing.SESSION)

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        """Return the session data; empty, so nobody is signed in, if it can't be decrypted."""
        try:
            text = sealing.unseal(str(session_data), purpose=sealing.SESSION)
        except sealing.SealBrokenError:
            return {}
        found: dict[str, Any] = self.serializer().loads(text.encode("latin-1"))
        return found
