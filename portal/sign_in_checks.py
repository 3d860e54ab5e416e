"""The checks of `manage.py check` for the sign-in settings. Each says what to do."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004  # Django's name

NEEDED = ("id", "name", "issuer", "client_id")
KNOWN = (
    *NEEDED,
    *("client_secret", "private_key_file", "key_id", "token_auth_method", "acr_values", "prompt", "scopes"),
)
PROVIDER_HINT = (
    'Use a JSON list such as OPENID_PROVIDERS=[{"id": "login-gov", "name": "Login.gov", "issuer": '
    '"https://secure.login.gov/", "client_id": "…", "private_key_file": "/run/secrets/login-gov.pem"}].'
)


@register(Tags.security)
def openid_providers(**_: Any) -> list[CheckMessage]:
    """Check that each entry of OPENID_PROVIDERS is complete, has a unique ID, and uses TLS."""
    entries = settings.OPENID_PROVIDERS
    found = [problem for entry in entries for problem in _problems_of(entry)]
    names = [entry.get("id") for entry in entries]
    found += [f"the id {name} is used twice" for name in sorted({n for n in names if n and names.count(n) > 1})]
    return [Error(f"OPENID_PROVIDERS: {problem}.", hint=PROVIDER_HINT, id="claimsgate.E010") for problem in found]


@register(Tags.security)
def session_limits(**_: Any) -> list[CheckMessage]:
    """Check that sessions last longer than 0 minutes, and that the idle limit isn't longer than the total limit."""
    if settings.SESSION_IDLE.total_seconds() > 0 and settings.SESSION_IDLE <= settings.SESSION_AT_MOST:
        return []
    return [
        Error(
            "SESSION_IDLE_MINUTES must be more than 0 and at most SESSION_HOURS.",
            hint="Leave both out to use 30 minutes and 12 hours.",
            id="claimsgate.E011",
        )
    ]


@register(Tags.security, deploy=True)
def ways_in(**_: Any) -> list[CheckMessage]:
    """Check that emails are sent, and that operators need two-factor authentication."""
    if settings.EMBEDDED:
        return []
    found: list[CheckMessage] = []
    if settings.EMAIL_BACKEND.endswith(".console.EmailBackend"):
        found.append(
            Warning(
                "EMAIL_URL is not set: emails are only printed. Users can't set a password or confirm an email.",
                hint="Set the mail server, for example smtp+tls://user:password@host:587.",
                id="claimsgate.W010",
            )
        )
    if not settings.OPERATORS_NEED_SECOND_FACTOR:
        found.append(
            Warning(
                "OPERATORS_NEED_SECOND_FACTOR is off: a stolen password would be enough to open the administration.",
                hint="Leave it out.",
                id="claimsgate.W011",
            )
        )
    return found


def _problems_of(entry: Any) -> list[str]:
    if not isinstance(entry, dict):
        return [f"{entry!r} isn't an object"]
    name = entry.get("id") or "an entry without id"
    problems = [f"{name} is missing {field}" for field in NEEDED if not entry.get(field)]
    problems += [f"{name} has an unknown field, {field}" for field in entry if field not in KNOWN]
    if entry.get("id") and not re.fullmatch(r"[a-z0-9-]+", entry["id"]):
        problems.append(f"the id {name} has characters other than lowercase letters, digits, and hyphens")
    if entry.get("issuer") and urlsplit(entry["issuer"]).scheme != "https" and not settings.EMBEDDED:
        problems.append(f"the issuer of {name} doesn't start with https://")
    path = entry.get("private_key_file")
    if path and not Path(path).is_file():
        problems.append(f"the private key file of {name} doesn't exist: {path}")
    return problems
