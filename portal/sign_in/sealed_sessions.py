"""Sessions in the database, as Django keeps them, but sealed: whoever copies the database cannot read them."""

from typing import Any

from django.contrib.sessions.backends import db

from portal.sign_in import sealing


class SessionStore(db.SessionStore):
    """The session engine (SESSION_ENGINE)."""

    def _validate_session_key(self, key: str | None) -> bool:
        """Of what a cookie may hold, only what is made of the letters and digits of our own keys is looked for."""
        is_valid = super()._validate_session_key(key)  # type: ignore[misc]  # Django's own, which its types leave out
        return bool(is_valid) and str(key).isascii() and str(key).isalnum()

    def encode(self, session_dict: dict[str, Any]) -> str:
        return sealing.seal(self.serializer().dumps(session_dict).decode("latin-1"), purpose=sealing.SESSION)

    def decode(self, session_data: bytes | str) -> dict[str, Any]:
        """What was sealed; nothing, and so nobody is signed in, when the seal is not ours."""
        try:
            text = sealing.unseal(str(session_data), purpose=sealing.SESSION)
        except sealing.SealBrokenError:
            return {}
        found: dict[str, Any] = self.serializer().loads(text.encode("latin-1"))
        return found
