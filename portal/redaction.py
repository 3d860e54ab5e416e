"""Makes log records safe. Secrets, tokens, and MBIs are redacted, wherever they came from. Each record is one line
without control characters, so input from outside can't forge a log line.
"""

import logging
import re

from credentials import secret_text

# A client secret, an access token and an operator's token, a secret that the SSAS made, a client's assertion, an MBI.
_MARKED = re.compile(rf"\b({secret_text.ANY_PREFIX})[0-9a-f]{{8,}}\b")
_OF_THE_SSAS = re.compile(r"\b[0-9a-f]{80}\b")
_JWT = re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*")
_BASIC_OR_BEARER = re.compile(r"(?i)\b(basic|bearer)(\s+|%20)[A-Za-z0-9+/=._~-]{8,}")
# What users enter at sign-in, in a form field, a query, or JSON; and the key of an authenticator app.
_FIELD = re.compile(
    r"""(?i)\b(password1?|oldpassword|otp|code|credential|link|key|id_token|access_token|code_verifier)"""
    r"""(=|["']:\s*["'])[^\s"'&]{6,}"""
)
_APP_KEY = re.compile(r"\b[A-Z2-7]{32}\b")
_MBI = re.compile(r"\b[1-9][A-Z][0-9A-Z][0-9][A-Z][0-9A-Z][0-9][A-Z]{2}[0-9]{2}\b")


def redact(text: str) -> str:
    text = _MARKED.sub(r"\1[redacted]", text)
    text = _OF_THE_SSAS.sub("[redacted]", text)
    text = _JWT.sub("[redacted]", text)
    text = _BASIC_OR_BEARER.sub(r"\1\2[redacted]", text)
    text = _FIELD.sub(r"\1\2[redacted]", text)
    text = _APP_KEY.sub("[redacted]", text)
    return _MBI.sub("[MBI]", text)


def escape(text: str) -> str:
    """Return `text` with invisible characters (line ends, ESC, direction marks) escaped as ASCII."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


class RedactionFilter(logging.Filter):
    """Redacts and escapes the finished message of each record, and the text of its exception."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = escape(redact(record.getMessage()))
        record.args = None
        if record.exc_info and not record.exc_text:
            record.exc_text = _indented(logging.Formatter().formatException(record.exc_info))
        return True


def _indented(traceback: str) -> str:
    """Return a redacted traceback, indented so that none of its lines looks like a record."""
    return "\n".join(f"    {escape(line)}" for line in redact(traceback).split("\n"))
