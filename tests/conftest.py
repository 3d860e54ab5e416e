import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from credentials import limits
from tests.world import World


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker) -> None:
    """The tests' own database is emptied between tests, the audit trail with it; elsewhere a trigger refuses that."""
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute("ALTER TABLE credentials_auditevent DISABLE TRIGGER audit_events_are_not_truncated")


@pytest.fixture(autouse=True)
def _calls_are_counted_anew(monkeypatch) -> None:
    """No test pays for the calls of those before it."""
    monkeypatch.setattr(limits, "NAMESPACE", str(uuid.uuid4()))


@pytest.fixture
def world(db) -> World:
    """Two organizations with their people; see tests/world.py."""
    return World()


@pytest.fixture
def data_folder() -> Iterator[Path]:
    """A folder for embedded servers: its path is short, since sockets stand in it, and other accounts can enter it."""
    path = Path(tempfile.mkdtemp(prefix="cg-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)
