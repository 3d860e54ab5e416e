import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from django.db import transaction
from django.test import TransactionTestCase

from credentials.access import limits
from tests import prepared, services
from tests.world import World


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker) -> Iterator[None]:
    """Instead of pytest-django's: a copy of the migrated database for each process."""
    with (
        django_db_blocker.unblock(),
        prepared.copy(f"claimsgate_test_{services.PROCESS or 'alone'}"),
        mock.patch.object(TransactionTestCase, "_fixture_teardown", staticmethod(prepared.empty)),
        # A new connection would read the whole catalog anew.
        mock.patch.object(TransactionTestCase, "_should_reload_connections", staticmethod(lambda: False)),
    ):
        yield


@pytest.fixture(autouse=True)
def _calls_are_counted_anew(monkeypatch) -> None:
    """No test pays for the calls of those before it."""
    monkeypatch.setattr(limits, "NAMESPACE", str(uuid.uuid4()))


@pytest.fixture
def world(db) -> World:
    """Two organizations with their people; see tests/world.py."""
    return World()


@pytest.fixture(scope="module")
def kept(django_db_setup, django_db_blocker) -> Iterator[None]:
    """What a file's own fixtures write after this is there for all its tests; each takes back only what it has done."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.fixture
def data_folder() -> Iterator[Path]:
    """A folder for embedded servers: its path is short, since sockets stand in it, and other accounts can enter it."""
    path = Path(tempfile.mkdtemp(prefix="cg-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)
