"""No secret, token or MBI in a log: what looks like one is blotted out, wherever it came from."""

import logging
import re

# A client secret, an access token and an operator's token (see issuing.py, oauth.py and operator_tokens.py in
# credentials), a secret that the SSAS made, a client's assertion, and an MBI.
_MARKED = re.compile(r"\b(cgs|cgt|cgo)_[0-9a-f]{8,}\b")
_OF_THE_SSAS = re.compile(r"\b[0-9a-f]{80}\b")
_JWT = re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*")
_BASIC_OR_BEARER = re.compile(r"(?i)\b(basic|bearer)(\s+|%20)[A-Za-z0-9+/=._~-]{8,}")
# What people show at sign-in, as a field of a form, a query or JSON; and the key of an authenticator app.
_FIELD = re.compile(
    r"""(?i)\b(password1?|oldpassword|otp|code|credential|link|key|id_token|access_token|code_verifier)"""
    r"""(=|["']:\s*["'])[^\s"'&]{6,}"""
)
_APP_KEY = re.compile(r"\b[A-Z2-7]{32}\b")
_MBI = re.compile(r"\b[1-9][A-Z][0-9A-Z][0-9][A-Z][0-9A-Z][0-9][A-Z]{2}[0-9]{2}\b")


def redact(text: str) -> str:
    text = _MARKED.sub(r"\1_[redacted]", text)
    text = _OF_THE_SSAS.sub("[redacted]", text)
    text = _JWT.sub("[redacted]", text)
    text = _BASIC_OR_BEARER.sub(r"\1\2[redacted]", text)
    text = _FIELD.sub(r"\1\2[redacted]", text)
    text = _APP_KEY.sub("[redacted]", text)
    return _MBI.sub("[MBI]", text)


class RedactionFilter(logging.Filter):
    """Redacts the finished message of each record, and the text of its exception."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = redact(record.getMessage())
        record.args = None
        if record.exc_info and not record.exc_text:
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
        return True
