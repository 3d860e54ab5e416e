"""docs/production.md, followed to the letter: with two roles of PostgreSQL, a broker, and every process it names.

`.ci/run` does so over Debian's PostgreSQL, the oldest that the page names, and over Redis and RabbitMQ.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
import yaml

from portal.laptop import embedded_valkey
from tests.attribution.archives import MBIS, NAME, archive
from tests.attribution.consent import files as preferences
from tests.exports.ndjson import eob, patient
from tests.journeys.conftest import required_program
from tests.journeys.documents.production_page import PAGE, Block, Service, Shell, blocks, changed, substitutions
from tests.journeys.person import Person
from tests.ports import free_port
from tests.postgres import Postgres
from tests.services import REPOSITORY
from tests.world import HOME_ADDRESS

pytestmark = pytest.mark.journey

PROCESSES = "6. Start the processes"
PASSWORD = "three small boats at dawn"
OPERATOR = "you@gate.example"
ORIGIN = "https://gate.example"
COMPOSE = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())


class BehindAProxy(httpx.BaseTransport):
    """Takes what is for https://gate.example to gunicorn, as the proxy on this machine does."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._inner = httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url.copy_with(scheme="http", host="127.0.0.1", port=self._port)
        headers = [*request.headers.raw, (b"X-Forwarded-Proto", b"https")]
        return self._inner.handle_request(
            httpx.Request(request.method, url, headers=headers, stream=request.stream, extensions=request.extensions)
        )


@contextlib.contextmanager
def broker(folder: Path) -> Iterator[tuple[str, str]]:
    """The URLs of the broker and of the cache: those of the environment, or of a Valkey of the test's own."""
    named = os.environ.get("CELERY_BROKER_URL", "")
    if named.startswith("amqp"):
        yield named, "dbcache://claimsgate_cache"
        return
    if named:
        yield named, f"{named.rpartition('/')[0].replace('redis://', 'rediscache://')}/1"
        return
    port = free_port()
    command = [embedded_valkey.program(), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    with (folder / "valkey.log").open("wb") as log:
        process = subprocess.Popen([str(part) for part in command], stdout=log, stderr=log)
    try:
        yield f"redis://127.0.0.1:{port}/0", f"rediscache://127.0.0.1:{port}/1"
    finally:
        process.terminate()
        process.wait()


class Reader:
    """Somebody who follows the page, block by block."""

    def __init__(self, folder: Path, database: Postgres, broker_url: str, cache_url: str) -> None:
        self.port = free_port()
        self.database = database
        self.folder = folder
        self.incoming = folder / "srv" / "incoming"
        self.shell = Shell(folder)
        self.told: dict[str, str] = {}  # what each command wrote
        self.services: dict[str, Service] = {}
        self.table = substitutions(
            folder, postgres=database.port, server=self.port, broker_url=broker_url, cache_url=cache_url
        )
        self.ahead = blocks(PAGE.read_text())

    def follow(self, until: str | None = None) -> None:
        """Do what the blocks say, up to the one that begins so."""
        while self.ahead and not (until and self.ahead[0].text.startswith(until)):
            self._do(self.ahead.pop(0))

    def _do(self, block: Block) -> None:
        text = changed(block.text, self.table)
        if block.language == "sql":
            self.database.administrate(text)
        elif block.language == "env":
            (self.folder / "etc" / "settings.env").write_text(text)
        elif block.heading == PROCESSES and re.match(r"gunicorn|celery .* (worker|beat) ", text):
            name = next(word for word in ("gunicorn", "writer", "worker", "beat") if word in text)
            assert name not in self.services
            self.services[name] = self.shell.start(text, name)
        else:
            assert block.language == "sh"
            self._wait_until_up(text)
            self.told[block.text.splitlines()[-1]] = self.shell.run(text)

    def _wait_until_up(self, text: str) -> None:
        """Somebody who types is slower than processes are."""
        if "/_health" in text:
            self.services["gunicorn"].wait_for("Booting worker")
            for worker in ("writer", "worker"):
                self.services[worker].wait_for(" ready.")

    def of(self, beginning: str) -> str:
        """What the block whose last line begins so wrote."""
        [found] = [told for line, told in self.told.items() if line.startswith(beginning)]
        return found

    def end(self) -> dict[str, int]:
        codes = {name: service.end() for name, service in self.services.items()}
        self.services = {}
        self.shell.end()
        return codes


@pytest.fixture
def reader(data_folder) -> Iterator[Reader]:
    required_program("curl")
    with Postgres(data_folder / "pg").running() as database, broker(data_folder) as (broker_url, cache_url):
        it = Reader(data_folder, database, broker_url, cache_url)
        try:
            yield it
        finally:
            it.end()


@pytest.mark.debian
def test_whoever_follows_the_page_has_a_running_claimsgate(reader):
    beside_the_code = set(REPOSITORY.iterdir())
    put_data_where_the_page_finds_it(reader.incoming)

    reader.follow(until="OWNER=")
    too_early = reader.shell.run(f"python manage.py load_claims {reader.incoming}/november 2>&1 || true")
    reader.follow(until="python manage.py create_operator")
    assert "ok" in reader.of("celery --app portal inspect ping")
    assert "pong" in reader.of("celery --app portal inspect ping")
    reader.follow(until="python manage.py create_organization")
    the_operator_signs_in(reader)
    what_compose_asks_of_the_server_is_answered(reader)
    reader.follow()

    assert "Run “python manage.py migrate”, then try again." in too_early
    assert "Traceback" not in too_early
    assert "published for A9994" in reader.of("python manage.py load_roster")
    assert "Load 1: 1 ExplanationOfBenefit, 1 Patient" in reader.of("python manage.py load_claims")
    reader.services["worker"].wait_for("exports.tasks.recover")
    assert f"{HOME_ADDRESS} GET /admin/ 200" in reader.services["gunicorn"].log
    assert (reader.folder / "srv").stat().st_mode & 0o777 == 0o700
    written = {path.name.partition(".")[0] for path in (reader.folder / "srv").iterdir()}
    assert {"exports", "tmp", "static", "celerybeat-schedule"} <= written
    assert reader.end() == {"gunicorn": 0, "writer": 0, "worker": 0, "beat": 0}
    assert set(REPOSITORY.iterdir()) == beside_the_code


def test_the_role_that_compose_makes_comes_in_by_its_password(data_folder):
    script = COMPOSE["configs"]["roles"]["content"].replace("$$", "$")
    with Postgres(data_folder / "pg").running() as database:
        environment = {
            "PATH": f"{database.programs}:{os.environ['PATH']}",
            "PGHOST": str(database.folder),
            "PGPORT": str(database.port),
            "POSTGRES_USER": "postgres",
            "POSTGRES_DB": "postgres",
            "APP_PASSWORD": "it's a secret",
        }
        subprocess.run(["sh", "-eu", "-c", script], env=environment, check=True)

        place = {"host": "127.0.0.1", "port": database.port, "dbname": "postgres", "user": "claimsgate_app"}
        psycopg.connect(**place, password="it's a secret").close()
        with pytest.raises(psycopg.OperationalError, match="authentication failed"):
            psycopg.connect(**place, password="another")


def what_compose_asks_of_the_server_is_answered(reader: Reader) -> None:
    """By the program of its health check, which fails where there is no answer."""
    program = changed(COMPOSE["services"]["server"]["healthcheck"]["test"][-1], reader.table)
    environment = {"PATH": os.environ["PATH"], "ALLOWED_HOSTS": "gate.example,other.example"}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)


def put_data_where_the_page_finds_it(folder: Path) -> None:
    """Before the folders are made: the page's own command makes them."""
    claims = folder / "november"
    claims.mkdir(parents=True)
    (folder / NAME).write_bytes(archive().getvalue())
    opt_out = preferences.text(preferences.line("1S00A00AA99"))
    (folder / "P#EFT.ON.ACO.NGD1800.DPRF.D261101.T1000009").write_text(opt_out)
    (claims / "patients.ndjson").write_text(json.dumps(patient("-1", MBIS[0])) + "\n")
    (claims / "claims.ndjson").write_text(json.dumps(eob("-2", "-1")) + "\n")


def the_operator_signs_in(reader: Reader) -> None:
    """By the link that the command printed, through the proxy, to the administration."""
    [link] = re.findall(rf"^{ORIGIN}\S+", reader.of("python manage.py create_operator"), re.MULTILINE)
    operator = Person(ORIGIN, transport=BehindAProxy(reader.port), Origin=ORIGIN)
    path = "{0.path}?{0.query}".format(urlsplit(link))
    form = operator.get(path).headers["Location"]
    assert operator.send(form, password1=PASSWORD).status_code == 302
    assert operator.enter(OPERATOR, PASSWORD).status_code == 302
    operator.set_up_app()
    assert operator.get("/admin/").status_code == 200
