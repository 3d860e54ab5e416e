"""Servers under attack: they know nothing of one test when the next begins."""

from collections.abc import Iterator

import pytest

from tests.credentials.clients.key_server import KeyServer, make_authority
from tests.journeys.attacks.site import Servers, Site
from tests.journeys.conftest import Running

# The limits have tests of their own; here every attempt is to be judged for itself.
UNLIMITED = {
    "LIMIT_FAILURES_PER_CLIENT_AND_ADDRESS": "0",
    "LIMIT_FAILURES_PER_ADDRESS": "0",
    "LIMIT_SIGN_INS_PER_ADDRESS": "0",
}


@pytest.fixture(scope="module")
def servers(django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[Servers]:
    """They know nothing of one test when the next begins: the database is emptied, and nothing else is kept."""
    folder = tmp_path_factory.mktemp("attacks")
    trusted, used = make_authority(folder)
    keys = KeyServer(used)
    with django_db_blocker.unblock():
        running = Running(folder, {**UNLIMITED, "SSL_CERT_FILE": str(trusted)}, has_worker=False)
    try:
        yield Servers(running, keys)
    finally:
        running.end()
        keys.stop()


@pytest.fixture
def site(servers, transactional_db, settings) -> Iterator[Site]:
    folder = servers.running.environment["EXPORTS_DIR"]
    exports = {**settings.EXPORTS_ON_DISK, "OPTIONS": {"location": folder}}
    settings.STORAGES = {**settings.STORAGES, "exports": exports}
    servers.keys.requests.clear()
    it = Site(servers)
    yield it
    # Whatever was tried, no server has stumbled over it, and they still answer.
    assert "Internal Server Error" not in it.log()
    assert it.stranger.get("/_health").status_code == 200
