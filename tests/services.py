"""A pytest plugin (see addopts in pyproject.toml): the tests' own embedded services, or those the environment names."""

import os
from pathlib import Path
from urllib.parse import quote

import pytest
from pytest_django.plugin import blocking_manager_key

from portal import postgresql
from portal.laptop import embedded_postgres
from portal.laptop.embedded import Embedded

REPOSITORY = Path(__file__).resolve().parent.parent

# Before the settings are read. A data folder of their own: the tests never touch what a demo has left in var/.
os.environ.setdefault("CLAIMSGATE_DATA_DIR", str(REPOSITORY / "var" / "test"))
os.environ.setdefault("CLAIMSGATE_EMBEDDED", "on")
# The PostgreSQL of the whole run, if it is the embedded one.
POSTGRES = Embedded(Path(os.environ["CLAIMSGATE_DATA_DIR"]), valkey=False)
# Where pytest runs in several processes, they share it, each with a database of its own. Each has a broker of its own:
# what one puts there, no other takes.
PROCESS = os.environ.get("PYTEST_XDIST_WORKER", "")
if PROCESS:
    os.environ["CLAIMSGATE_DATA_DIR"] = str(Path(os.environ["CLAIMSGATE_DATA_DIR"]) / PROCESS)
    os.environ.setdefault(
        "DATABASE_URL",
        f"postgres://{embedded_postgres.DATABASE}@/{embedded_postgres.DATABASE}"
        f"?host={quote(str(POSTGRES.postgres.socket_dir), safe='')}",
    )


def pytest_configure(config: pytest.Config) -> None:
    if config.option.collectonly:
        return
    from django.conf import settings

    # Tests that load the server's application go on with a connection for each of their threads.
    postgresql.share_connections = lambda: None
    # People's passwords are hashed slowly on purpose; the cast has no secrets to keep.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Nothing here has to outlive a power failure.
    embedded_postgres.OPTIONS.update(fsync="off", synchronous_commit="off", full_page_writes="off")
    if PROCESS and settings.DATABASES["default"].get("OPTIONS", {}).get("host"):
        # As in the embedded mode, where tests that connect by themselves look for it.
        settings.DATABASES["default"]["HOST"] = settings.DATABASES["default"]["OPTIONS"].pop("host")
    settings.SERVICES.start()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Before the processes begin that share it, the database is migrated."""
    if session.config.option.dist != "no" and not session.config.option.collectonly and not PROCESS:
        from tests import prepared

        with session.config.stash[blocking_manager_key].unblock():
            prepared.migrated()


def pytest_unconfigure() -> None:
    from django.conf import settings

    settings.SERVICES.stop()
