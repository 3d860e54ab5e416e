"""A real provider, in a process of its own, and a browser that comes from it."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
import requests
from django.test import Client as Browser

from credentials.models import Organization
from tests.portal.sign_in.openid.provider import SUBJECT
from tests.ports import free_port


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    """The address of the provider."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "oidc_provider_mock", "--port", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    until = time.monotonic() + 60
    while not _is_up(address):
        assert process.poll() is None, "the provider ended"
        assert time.monotonic() < until, "the provider did not come up within a minute"
        time.sleep(0.1)
    yield address
    process.terminate()
    process.wait()


def _is_up(address: str) -> bool:
    try:
        return requests.get(f"{address}/.well-known/openid-configuration", timeout=5).ok
    except requests.ConnectionError:
        return False


@pytest.fixture
def configured(settings, issuer, world):
    """Names the provider in the settings; what is given adds to its entry."""
    Organization.objects.update(requires_second_factor=False)

    def configure(**entry: str) -> None:
        entry = {"id": "test-idp", "name": "Test IdP", "issuer": issuer, "client_id": "claimsgate", **entry}
        settings.SOCIALACCOUNT_PROVIDERS = {
            "openid_connect": {
                "provider_class": "portal.sign_in.openid_connect.OpenIdProvider",
                "APPS": [
                    {
                        "provider_id": entry["id"],
                        "name": entry["name"],
                        "client_id": entry["client_id"],
                        "secret": entry.get("client_secret", ""),
                        "settings": {**entry, "server_url": entry["issuer"].rstrip("/")},
                    }
                ],
            }
        }

    configure(client_secret="secret")
    return configure


@pytest.fixture
def account(issuer):
    """Says what the provider knows of a subject."""

    def know(subject: str = SUBJECT, **claims) -> str:
        requests.put(f"{issuer}/users/{subject}", json=claims, timeout=5).raise_for_status()
        return subject

    know(email="delegate@harbor.example", email_verified=True)
    return know


@pytest.fixture
def visitor(configured, account) -> Browser:
    return Browser()
