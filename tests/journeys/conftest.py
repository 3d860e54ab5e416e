"""A running Claimsgate: the real server and the real worker, over the tests' database and broker."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection, connections
from playwright.sync_api import Browser, sync_playwright

from portal.laptop import processes
from tests.credentials.clients.key_server import KeyServer, make_authority
from tests.credentials.tokens.signing import ec_key, jwk, key_set
from tests.journeys.processes import forked
from tests.journeys.processes.installation import Installation, Worker
from tests.pgbouncer import pgbouncer
from tests.ports import free_port

# The journeys' clients call from this machine, behind a proxy that says where they really are.
PROXY_NETWORK = "127.0.0.0/8"


class Running:
    """The processes of a journey; `environment` adds to their settings."""

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None, *, has_worker: bool = True) -> None:
        self.folder = folder
        self.port = free_port()
        self.base_url = f"http://localhost:{self.port}"
        self.environment = {
            "CLAIMSGATE_EMBEDDED": "on",
            "DJANGO_SETTINGS_MODULE": "tests.journeys.processes.served",
            "DATABASE_URL": self.database_url(),
            "CELERY_BROKER_URL": settings.CELERY_BROKER_URL,
            "EXPORTS_DIR": str(folder / "exports"),
            "TRUSTED_PROXIES": PROXY_NETWORK,
            "EXPORT_FILE_BYTES": str(settings.EXPORT_FILE_BYTES),
            **(environment or {}),
        }
        self.server = processes.start_server(folder, port=self.port, environment=self.environment)
        self.others: list[processes.Process] = []
        self.worker = self.start_worker() if has_worker else None
        processes.wait_until_up(self.base_url, self.server)

    @staticmethod
    def database_url() -> str:
        """Where the processes find the tests' own database."""
        return _database_url()

    def start_another_server(self, environment: Mapping[str, str] | None = None) -> str:
        """The base URL of one more node, over the same database and broker."""
        port, folder = free_port(), self.folder / f"node-{len(self.others) + 2}"
        node = processes.start_server(folder, port=port, environment={**self.environment, **(environment or {})})
        self.others.append(node)
        processes.wait_until_up(f"http://localhost:{port}", node)
        return f"http://localhost:{port}"

    def start_worker(self) -> processes.Process:
        self.worker = processes.start_worker(self.folder, environment=self.environment)
        return self.worker

    def manage(self, *arguments: str) -> str:
        """The output of a command of manage.py. Raises CalledProcessError."""
        return forked.run(["manage", *arguments], log=self.folder / "manage.log", environment=self.environment)

    def end(self) -> None:
        """At once: nothing of it is needed any more."""
        self.end_all_but_the_server()
        self.server.kill()

    def end_all_but_the_server(self) -> None:
        for process in (self.worker, *self.others):
            if process:
                process.kill()
        self.worker, self.others = None, []


@pytest.fixture(scope="session", autouse=True)
def _processes_start_quickly() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(processes, "Process", forked.Process)
        yield


# For the browser: no sandbox for root, no graphics, nothing of its own accord.
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--no-first-run",
)


@pytest.fixture(scope="module")
def _browser(django_db_setup) -> Iterator[Browser]:
    """The machine's Chromium: one for all tests of a file."""
    with pytest.MonkeyPatch.context() as patch:
        # Playwright's loop runs in this thread, and Django would take the tests for asynchronous code.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        installed = required_program("chromium", "chromium-browser")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=installed, args=QUIET)
            yield browser
            browser.close()
            # Beside Playwright's loop Django keeps connections of their own, and nobody else would close them.
            connections.close_all()


@pytest.fixture
def chromium(_browser) -> Iterator[Browser]:
    """A browser that knows nothing of the tests before."""
    yield _browser
    for context in _browser.contexts:
        context.close()


@pytest.fixture(scope="session", autouse=True)
def _behind_pgbouncer(django_db_setup) -> Iterator[None]:
    """With TEST_PGBOUNCER set, servers, workers and commands reach the database through it. This process does not."""
    if not os.environ.get("TEST_PGBOUNCER"):
        yield
        return
    with (
        pytest.MonkeyPatch.context() as patch,
        pgbouncer(required_program("pgbouncer"), connection.settings_dict) as url,
    ):
        patch.setattr(Running, "database_url", staticmethod(lambda: url))
        yield


@pytest.fixture(scope="session")
def _lasting_server(_behind_pgbouncer, django_db_setup, django_db_blocker, tmp_path_factory) -> Iterator[Running]:
    """For all journeys that need no settings of their own. What it keeps of one test stands in its folder."""
    folder = tmp_path_factory.mktemp("lasting")
    with django_db_blocker.unblock():
        it = Running(folder, {"CACHE_URL": f"filecache://{folder}/cache"}, has_worker=False)
    yield it
    it.end()


@pytest.fixture
def running_with(_lasting_server, transactional_db, tmp_path) -> Iterator[Callable[..., Running]]:
    """Claimsgate as it runs for its users; the test says with what environment, and whether a worker has work."""
    started: list[Running] = []

    def start(environment: Mapping[str, str] | None = None, *, has_worker: bool = True) -> Running:
        if environment:
            started.append(Running(tmp_path, environment, has_worker=has_worker))
            return started[-1]
        if has_worker:
            _lasting_server.start_worker()
        return _lasting_server

    yield start
    for it in started:
        it.end()
    _lasting_server.end_all_but_the_server()
    for kept in ("cache", "exports"):
        shutil.rmtree(_lasting_server.folder / kept, ignore_errors=True)


@pytest.fixture
def running(running_with) -> Running:
    """The same with the settings that it has by itself."""
    return running_with()


@pytest.fixture(scope="session")
def installation(django_db_setup, django_db_blocker) -> Iterator[Installation]:
    """One for all tests of faults; its folder's path is short, since sockets stand in it."""
    with tempfile.TemporaryDirectory(prefix="cg-") as name, django_db_blocker.unblock():
        folder = Path(name)
        folder.chmod(0o755)
        it = Installation(folder, port=free_port(), proxies=PROXY_NETWORK)
        with it.running():
            yield it


@pytest.fixture
def site(installation, transactional_db, request) -> Iterator[Installation]:
    """The installation in order, with no worker but the lasting one, if the test wants it.

    This process sees the installation's database.
    """
    with installation.as_database():
        installation.end_workers(even_the_lasting="worker" not in request.fixturenames)
        if not installation.workers:
            installation.empty_the_broker()  # what was sent in a former test
        installation.sign_in()
        yield installation
        installation.end_workers(even_the_lasting=False)
        installation.give_up_jobs()
        # Pytest shows this where a test has failed.
        sys.stdout.write(installation.last_words())


@pytest.fixture
def worker(site) -> Worker:
    """A worker that has nothing to do yet. The test does it no harm."""
    return site.lasting_worker()


@pytest.fixture
def key_server(tmp_path, monkeypatch) -> Iterator[KeyServer]:
    """The client's own HTTPS server, whose authority the machine trusts; it is there before Claimsgate is."""
    trusted, used = make_authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    it = KeyServer(used)
    it.body = key_set(jwk(ec_key(), "first"))
    yield it
    it.stop()


@pytest.fixture
def exports_folder(settings, _lasting_server) -> Path:
    """Where the lasting server keeps export files; the test itself stores there, too."""
    folder = _lasting_server.folder / "exports"
    exports = {**settings.EXPORTS_ON_DISK, "OPTIONS": {"location": str(folder)}}
    settings.STORAGES = {**settings.STORAGES, "exports": exports}
    return folder


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
