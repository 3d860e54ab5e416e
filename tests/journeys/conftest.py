"""A running Claimsgate: the real server and the real worker, over the tests' database and broker."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection

from portal import processes

# The journeys' clients call from this machine, behind a proxy that says where they really are.
PROXY_NETWORK = "127.0.0.0/8"


class Running:
    """The processes of one journey."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.base_url = f"http://localhost:{self.port}"
        self.environment = {
            "CLAIMSGATE_EMBEDDED": "on",
            "DATABASE_URL": _database_url(),
            "CELERY_BROKER_URL": settings.CELERY_BROKER_URL,
            "EXPORTS_DIR": str(folder / "exports"),
            "TRUSTED_PROXIES": PROXY_NETWORK,
            "EXPORT_FILE_BYTES": str(settings.EXPORT_FILE_BYTES),
        }
        self.server = processes.start_server(folder, port=self.port, environment=self.environment)
        self.worker = self.start_worker()
        processes.wait_until_up(self.base_url, self.server)

    def start_worker(self) -> processes.Process:
        self.worker = processes.start_worker(self.folder, environment=self.environment, concurrency=1)
        return self.worker

    def manage(self, *arguments: str) -> str:
        """The output of a command of manage.py. Raises CalledProcessError."""
        command: Sequence[str] = [sys.executable, "manage.py", *arguments]
        return subprocess.run(
            command,
            cwd=settings.BASE_DIR,
            env={**os.environ, **self.environment},
            check=True,
            capture_output=True,
            text=True,
        ).stdout

    def stop(self) -> None:
        self.worker.stop()
        self.server.stop()


@pytest.fixture
def running(transactional_db, settings, tmp_path, request) -> Iterator[Running]:
    """Claimsgate as it runs for its users; parametrized indirectly, with other settings."""
    for name, value in getattr(request, "param", {}).items():
        setattr(settings, name, value)
    it = Running(tmp_path)
    yield it
    it.stop()


def required_program(*names: str) -> str:
    """The path of the first of these programs that the machine has.

    Where it has none, CI fails; elsewhere the journey is left out, and pytest's last lines say so.
    """
    for name in names:
        if path := shutil.which(name):
            return path
    missing = f"This journey needs {names[0]} (Debian: apt-get install {names[0]})."
    return pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)


def _database_url() -> str:
    """The tests' own database, as the child processes are told of it."""
    facts = connection.settings_dict
    user, password, host = (quote(str(facts[name]), safe="") for name in ("USER", "PASSWORD", "HOST"))
    account = f"{user}:{password}" if password else user
    if str(facts["HOST"]).startswith("/"):
        return f"postgres://{account}@/{facts['NAME']}?host={host}"
    return f"postgres://{account}@{host}:{facts['PORT'] or 5432}/{facts['NAME']}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
