"""What `manage.py check` says of the settings of people's sign-in, each with what to do."""

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
    'Give a JSON list such as OPENID_PROVIDERS=[{"id": "login-gov", "name": "Login.gov", "issuer": '
    '"https://secure.login.gov/", "client_id": "…", "private_key_file": "/run/secrets/login-gov.pem"}].'
)


@register(Tags.security)
def openid_providers(**_: Any) -> list[CheckMessage]:
    """Each entry of OPENID_PROVIDERS is complete, has an id of its own, and is reached by TLS."""
    entries = settings.OPENID_PROVIDERS
    found = [problem for entry in entries for problem in _problems_of(entry)]
    names = [entry.get("id") for entry in entries]
    found += [f"the id {name} stands there twice" for name in sorted({n for n in names if n and names.count(n) > 1})]
    return [Error(f"OPENID_PROVIDERS: {problem}.", hint=PROVIDER_HINT, id="claimsgate.E010") for problem in found]


@register(Tags.security)
def session_limits(**_: Any) -> list[CheckMessage]:
    """Sessions last for a while, and idle ones not longer than others."""
    if settings.SESSION_IDLE.total_seconds() > 0 and settings.SESSION_IDLE <= settings.SESSION_AT_MOST:
        return []
    return [
        Error(
            "SESSION_IDLE_MINUTES has to be more than 0, and not more than SESSION_HOURS.",
            hint="Leave both out for 30 minutes and 12 hours.",
            id="claimsgate.E011",
        )
    ]


@register(Tags.security, deploy=True)
def ways_in(**_: Any) -> list[CheckMessage]:
    """People get their mails, and operators come in by two steps."""
    if settings.EMBEDDED:
        return []
    found: list[CheckMessage] = []
    if settings.EMAIL_BACKEND.endswith(".console.EmailBackend"):
        found.append(
            Warning(
                "EMAIL_URL is not set: mails are printed, and nobody could set a password or confirm an address.",
                hint="Name the mail server, for example smtp+tls://user:password@host:587.",
                id="claimsgate.W010",
            )
        )
    if not settings.OPERATORS_NEED_SECOND_FACTOR:
        found.append(
            Warning(
                "OPERATORS_NEED_SECOND_FACTOR is off: a stolen password alone would open the administration.",
                hint="Leave it out.",
                id="claimsgate.W011",
            )
        )
    return found


def _problems_of(entry: Any) -> list[str]:
    if not isinstance(entry, dict):
        return [f"{entry!r} is no object"]
    name = entry.get("id") or "an entry without id"
    problems = [f"{name} lacks {field}" for field in NEEDED if not entry.get(field)]
    problems += [f"{name} has {field}, which means nothing" for field in entry if field not in KNOWN]
    if entry.get("id") and not re.fullmatch(r"[a-z0-9-]+", entry["id"]):
        problems.append(f"the id {name} has other characters than small letters, digits and hyphens")
    if entry.get("issuer") and urlsplit(entry["issuer"]).scheme != "https" and not settings.EMBEDDED:
        problems.append(f"the issuer of {name} does not begin with https://")
    path = entry.get("private_key_file")
    if path and not Path(path).is_file():
        problems.append(f"the private key of {name} is not at {path}")
    return problems
