"""A Claimsgate with a PostgreSQL and a broker of its own, from which tests take away what they like.

Its parts are the real ones: the server, the workers, both services. Claims and rosters are made once, and one export
of them runs undisturbed; whatever is done to another, it has to give the same bytes.
"""

import contextlib
import gzip
import itertools
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import httpx
from django.db import connection, connections
from django.utils import timezone

from exports.claims.loader import Arrival
from exports.models import Job
from portal.laptop import embedded_postgres, processes
from portal.laptop.embedded import Embedded
from tests.exports.store import arrival, load, patient
from tests.ports import free_port
from tests.world import HOME_ADDRESS, KICK_OFF_HEADERS, ApiClient, World

PATIENCE_SECONDS = 60
LEASE_SECONDS = 2
PEOPLE = 120
EXPORT = "/api/v2/Group/all/$export"
FOR_EVER = 3600.0


@dataclass(frozen=True)
class Stored:
    """A file of an export as it lies in the storage."""

    resource_type: str
    resource_count: int
    raw_length: int
    gzip: bytes


class Worker:
    """A worker process, which copies at a pace that can be changed at any time."""

    def __init__(
        self, folder: Path, environment: dict[str, str], *, pace: float, concurrency: int = 1, queues: str = ""
    ) -> None:
        self._folder = folder
        folder.mkdir(parents=True)
        self.set_pace(pace)
        self.process = processes.start_worker(
            folder,
            environment={**environment, "TEST_PACE_FOLDER": str(folder)},
            concurrency=concurrency,
            queues=queues,
        )

    def set_pace(self, piece: float = 0, closing: float = 0) -> None:
        """Seconds for each piece, and before a file is closed."""
        new = self._folder / "pace.new"
        new.write_text(f"{piece} {closing}")
        new.replace(self._folder / "pace")

    @property
    def place(self) -> str:
        """Where it is: "copying …", "closing …" or "between files"."""
        place = self._folder / "place"
        return place.read_text() if place.exists() else "between files"

    def forget_place(self) -> None:
        """What it was at is of no interest any more."""
        (self._folder / "place").unlink(missing_ok=True)

    @property
    def is_copying(self) -> bool:
        return self.place.startswith("copying")

    @property
    def is_closing(self) -> bool:
        return self.place.startswith("closing")

    @property
    def is_ready(self) -> bool:
        self.process.check()
        return " ready." in self.log

    @property
    def is_running(self) -> bool:
        with contextlib.suppress(processes.ProcessDiedError):
            self.process.check()
            return True
        return False

    @property
    def log(self) -> str:
        return self.process.log.read_text()

    def kill(self) -> None:
        # The number of a process that is over may be another's already.
        if self.is_running:
            self.process.kill()

    def send(self, number: signal.Signals, *, to_all: bool = False) -> None:
        """A signal to the process, or to its children, too."""
        if to_all:
            os.killpg(self.process.pid, number)
        else:
            os.kill(self.process.pid, number)

    def freeze(self) -> None:
        """It stands still, as on a machine that is swapping or being moved; from outside it looks dead."""
        self.send(signal.SIGSTOP, to_all=True)
        self._written_before = self.has_done("write")

    def thaw(self) -> None:
        self.send(signal.SIGCONT, to_all=True)

    @property
    def has_let_go(self) -> bool:
        """Of the file that it was writing when it was frozen."""
        return self.has_done("write") > self._written_before

    def has_done(self, task: str) -> int:
        """How often it has come to the end of a task, well or not."""
        return len(re.findall(rf"Task exports.tasks.{task}\[\S+\] (succeeded|raised)", self.log))


class Installation:
    """The services, the server, the claims, and the workers that tests start."""

    undisturbed: list[Stored]

    def __init__(self, folder: Path, *, port: int, proxies: str, settings: str = "portal.settings") -> None:
        """`settings` are those of the servers."""
        self.folder = folder
        self.services = Embedded(folder)
        self.exports = folder / "exports"
        self.port = port
        self.workers: list[Worker] = []
        self._nodes: list[processes.Process] = []
        self._lasting: Worker | None = None
        self._ended: list[Worker] = []
        self._numbers = itertools.count(1)
        self._environment = {
            "CLAIMSGATE_EMBEDDED": "on",
            "CLAIMSGATE_DATA_DIR": str(folder),
            "DJANGO_SETTINGS_MODULE": settings,
            "DATABASE_URL": "",
            "CELERY_BROKER_URL": "",
            "CELERY_SKIP_CHECKS": "1",  # they take half of the time that a worker needs to start
            "TRUSTED_PROXIES": proxies,
            "EXPORT_FILE_BYTES": "24000",
            "EXPORT_WORKERS_PER_ORGANIZATION": "9",
            "EXPORT_LEASE_SECONDS": str(LEASE_SECONDS),
            "EXPORT_MESSAGE_PATIENCE_SECONDS": "1",
            "EXPORT_ATTEMPTS": "99",
        }

    # --- Being there ---

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        with self.services.running():
            self._copy_the_schema()
            self.server = processes.start_server(self.folder, port=self.port, environment=self._environment)
            try:
                with self.as_database():
                    self._fill()
                    processes.wait_until_up(f"http://localhost:{self.port}", self.server)
                    self.sign_in()
                    self.undisturbed = self._run_undisturbed()
                    self.end_workers()
                yield
            finally:
                self.end_workers()
                for node in (self.server, *self._nodes):
                    node.kill()

    @contextlib.contextmanager
    def as_database(self) -> Iterator[None]:
        """Inside, this process works with the installation's database, too."""
        ours = connections.databases["default"]
        connections.close_all()
        with mock.patch.dict(ours, {**self.services.database(), "PORT": "", "PASSWORD": ""}):
            yield
            connections.close_all()

    def _copy_the_schema(self) -> None:
        """From the tests' own database, where it has been made already by all migrations."""
        theirs = connections.databases["default"]
        place = {"PGHOST": theirs["HOST"], "PGPORT": str(theirs["PORT"] or 5432), "PGUSER": theirs["USER"]}
        dump = subprocess.run(
            [self._program("pg_dump"), "--no-owner", theirs["NAME"]],
            env={**os.environ, **place, "PGPASSWORD": theirs["PASSWORD"]},
            check=True,
            capture_output=True,
        ).stdout
        subprocess.run([*self._psql(), "--quiet"], input=dump, check=True, stdout=subprocess.DEVNULL)

    def _fill(self) -> None:
        self.world = World()
        self.api: ApiClient = self.world.api_client()
        mbis = self.world.beneficiaries(PEOPLE)
        self.world.roster(self.world.harbor, mbis)
        self.claims = {mbi: claims_of(mbi, random.Random(number)) for number, mbi in enumerate(mbis)}
        load(self.claims)
        [mbi] = self.world.beneficiaries(1)
        self.world.roster(self.world.mesa, [mbi])
        load({mbi: [patient(mbi)]})
        self.api_of_mesa = self.world.api_client(self.world.mesa)

    def _run_undisturbed(self) -> list[Stored]:
        self.start_worker()
        job = self.start_job()
        self.wait_for_completion_of(job)
        stored = self.stored(job)
        lines = b"".join(gzip.decompress(file.gzip) for file in stored).splitlines(keepends=True)
        assert sorted(lines) == sorted(each.line for claims in self.claims.values() for each in claims)
        assert len(stored) > PEOPLE / 10
        return stored

    def start_another_server(self) -> str:
        """The base URL of one more node; it ends with the installation."""
        port, folder = free_port(), self.folder / f"node-{len(self._nodes) + 2}"
        self._nodes.append(processes.start_server(folder, port=port, environment=self._environment))
        processes.wait_until_up(f"http://localhost:{port}", self._nodes[-1])
        return f"http://localhost:{port}"

    # --- Workers ---

    def start_worker(self, pace: float = 0, *, concurrency: int = 1, queues: str = "", **environment: str) -> Worker:
        """Another worker, which takes from all queues or from these; it starts while the test goes on."""
        folder = self.folder / "workers" / str(next(self._numbers))
        settings = {
            **self._environment,
            "DJANGO_SETTINGS_MODULE": "tests.journeys.processes.hurried",
            "TEST_RECOVERY_SECONDS": "0.5",
            "TEST_TASK_SECONDS": "600",
            "EXPORTS_DIR": str(self.exports),
            **environment,
        }
        self.workers.append(Worker(folder, settings, pace=pace, concurrency=concurrency, queues=queues))
        return self.workers[-1]

    def lasting_worker(self) -> Worker:
        """A worker that tests use one after the other, as long as none harms it."""
        if self._lasting is None or not self._lasting.is_running:
            self._lasting = self.start_worker()
        self._lasting.set_pace()
        self._lasting.forget_place()
        return self._lasting

    def end_workers(self, *, even_the_lasting: bool = True) -> None:
        """At once, whatever they do."""
        stays = None if even_the_lasting else self._lasting
        ending = [worker for worker in self.workers if worker is not stays]
        for worker in ending:
            worker.kill()
        self.workers = [worker for worker in self.workers if worker is stays]
        self._ended = [*self._ended, *ending][-5:]

    def last_words(self) -> str:
        """The ends of the logs of the workers that were there last."""
        all_is_well = re.compile(r".* INFO .*\n")
        return "\n".join(
            f"{each.process.log}\n{all_is_well.sub('', each.log)[-5000:]}" for each in [*self.workers, *self._ended]
        )

    # --- Jobs ---

    def sign_in(self, api: ApiClient | None = None) -> None:
        """As the client of Harbor, or as another."""
        api = api or self.api
        self.http = httpx.Client(
            base_url=f"http://localhost:{self.port}", headers={"X-Forwarded-For": HOME_ADDRESS}, timeout=30
        )
        token = self.http.post("/auth/token", auth=(api.client.client_id, api.secret), content=b"").json()
        self.http.headers["Authorization"] = f"Bearer {token['access_token']}"

    def start_job(self, path: str = EXPORT) -> Job:
        """A job, as a client starts it."""
        started = self.http.get(path, headers=KICK_OFF_HEADERS)
        assert started.status_code == 202, started.text
        return Job.objects.get(pk=started.headers["Content-Location"].rpartition("/")[2])

    def ask_for(self, job: Job) -> httpx.Response:
        return self.http.get(f"/api/v2/jobs/{job.pk}")

    def wait_for_completion_of(self, job: Job) -> None:
        wait_until(lambda: not refreshed(job).is_unfinished, f"{job} is finished")
        assert (job.status, job.failure) == (Job.Status.COMPLETED, "")

    def wait_for_failure_of(self, job: Job, exports: Path | None = None) -> None:
        """A job that fails leaves no file, and its client is told."""
        wait_until(lambda: not refreshed(job).is_unfinished, f"{job} is finished")
        assert job.status == Job.Status.FAILED
        wait_until(lambda: not self.left(job, exports), "its files are gone")
        wait_until(lambda: not job.files.exists(), "so are their records")
        answer = self.ask_for(job)
        assert (answer.status_code, answer.json()["resourceType"]) == (500, "OperationOutcome")

    def give_up_jobs(self) -> None:
        """What a test has left undone is not for the workers of the next."""
        Job.objects.unfinished().update(status=Job.Status.CANCELLED, files_removed_at=timezone.now())

    def folder_of(self, job: Job, exports: Path | None = None) -> Path:
        return (exports or self.exports) / str(job.pk)

    def left(self, job: Job, exports: Path | None = None) -> set[str]:
        """The names of all that lies in the folder of a job, half-written files included."""
        folder = self.folder_of(job, exports)
        return {path.name for path in folder.iterdir()} if folder.exists() else set()

    def stored(self, job: Job, exports: Path | None = None) -> list[Stored]:
        """The files of a job in their order, each checked against its record."""
        found = []
        for file in job.files.all():
            content = (self.folder_of(job, exports) / file.name).read_bytes()
            ndjson = gzip.decompress(content)
            assert len(content) == file.stored_length
            assert (len(ndjson), ndjson.count(b"\n")) == (file.raw_length, file.resource_count)
            found.append(Stored(file.resource_type, file.resource_count, file.raw_length, content))
        return found

    def check_undisturbed(self, job: Job, exports: Path | None = None) -> None:
        """The job has what an undisturbed one has, byte for byte, and nothing else lies in its folder."""
        assert self.stored(job, exports) == self.undisturbed
        assert self.left(job, exports) == set(job.files.values_list("name", flat=True))
        assert not job.shards.unwritten().exists()
        manifest = self.ask_for(job)
        assert manifest.status_code == 200, manifest.text
        types = [entry["type"] for entry in manifest.json()["output"]]
        assert types == [file.resource_type for file in self.undisturbed]

    # --- The services ---

    def stop_postgres(self, mode: str) -> None:
        """`fast` ends it in order; after `immediate` it has to recover as after a crash."""
        data = str(self.services.postgres.home / "data")
        self.services.postgres._run("pg_ctl", "-D", data, "-w", "-m", mode, "stop")
        connections.close_all()

    def stop_valkey(self) -> None:
        self.services.valkey.stop()
        wait_until(lambda: not self.services.valkey.answers(), "Valkey is gone")

    def start_services(self) -> None:
        self.services.start()

    def empty_the_broker(self) -> None:
        assert self.services.valkey._tell(b"FLUSHALL\r\n") == b"+OK\r\n"

    def _program(self, name: str) -> str:
        return str(embedded_postgres.programs() / name)

    def _psql(self) -> list[str]:
        facts = self.services.database()
        options = ["--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--host", facts["HOST"], "--username", facts["USER"]]
        return [self._program("psql"), *options, facts["NAME"]]


def claims_of(mbi: str, chance: random.Random) -> list[Arrival]:
    """A Patient and some claims, which cannot be compressed much."""
    today = timezone.localdate()
    claims = [
        arrival("ExplanationOfBenefit", f"e-{mbi}-{number}", service_date=today, note=chance.randbytes(300).hex())
        for number in range(5)
    ]
    return [patient(mbi, note=chance.randbytes(300).hex()), *claims]


def refreshed(job: Job) -> Job:
    job.refresh_from_db()
    return job


def waiting_for(table: str) -> int:
    """How many want a lock on a table that another has."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE relation = %s::regclass AND NOT granted", [table])
        [count] = cursor.fetchone()
    return count


def wait_until(holds: Callable[[], Any], what: str, *, within: float = PATIENCE_SECONDS) -> None:
    """Return when it holds."""
    until = time.monotonic() + within
    while not holds():
        assert time.monotonic() < until, f"After {within} s it was not so that {what}."
        time.sleep(0.02)
