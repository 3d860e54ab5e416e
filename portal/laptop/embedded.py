"""The embedded PostgreSQL and Valkey: servers that come as wheels and keep their data under one folder.

They run while a process needs them. Each such process holds a shared lock, which the kernel releases when the process
ends. A separate process, the keeper, starts the servers, waits until nobody holds the lock, and stops them. The keeper
is this module, run as a program. So the servers stop in order even if their users are killed.

Nothing here imports Django, because the settings read this module.
"""

import atexit
import contextlib
import fcntl
import json
import os
import secrets
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn, Self

from portal.laptop import embedded_postgres, locks
from portal.laptop.embedded_postgres import DATABASE, Postgres
from portal.laptop.embedded_server import EmbeddedError, Server
from portal.laptop.embedded_valkey import Valkey

REPOSITORY = Path(__file__).resolve().parents[2]


class Embedded:
    """The embedded servers of one data folder, unless the settings name external ones."""

    def __init__(self, data_dir: Path, *, postgres: bool = True, valkey: bool = True) -> None:
        self.data_dir = data_dir
        self.has_postgres = postgres
        self.has_valkey = valkey
        self.postgres = Postgres(data_dir)
        self.valkey = Valkey(data_dir)
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
            "HOST": str(self.postgres.socket_dir),
        }

    def valkey_url(self, scheme: str) -> str:
        """Return where Valkey listens: `unix://…` for the cache, `redis+socket://…` for Celery."""
        return f"{scheme}://{self.valkey.socket}"

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
        if not self._needed:
            return
        self.data_dir.mkdir(parents=True, exist_ok=True)
        if self._lock is None:
            atexit.register(self.stop)
            self._lock = self._hold()
        with self._alone():
            if self._has_keeper() and all(server.answers() for server in self._needed):
                return
        if self.has_postgres:
            self.postgres.say_where_it_is()
        facts = {
            "data_dir": str(self.data_dir),
            "postgres": self.has_postgres,
            "valkey": self.has_valkey,
            "postgres_options": embedded_postgres.OPTIONS,
        }
        self._starter = subprocess.Popen(
            [sys.executable, "-m", "portal.laptop.embedded", json.dumps(facts)],
            cwd=REPOSITORY,  # where it finds this module
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

    @property
    def _needed(self) -> Sequence[Server]:
        """The servers that the settings don't replace, in the order in which they start."""
        return [*([self.postgres] if self.has_postgres else []), *([self.valkey] if self.has_valkey else [])]

    def _hold(self) -> IO[str]:
        """Return the shared lock. While the keeper stops the servers, this waits."""
        lock = self._open_lock("in-use")
        fcntl.flock(lock, fcntl.LOCK_SH)
        return lock

    def _is_held(self) -> bool:
        with self._open_lock("in-use") as lock:
            return locks.is_granted(lock, fcntl.LOCK_SH) and not locks.is_granted(lock, fcntl.LOCK_EX)

    def _are_ending(self) -> bool:
        with self._alone():
            return self._has_keeper() and not self._is_held()

    def _has_keeper(self) -> bool:
        with self._open_lock("keeper") as lock:
            return not locks.is_granted(lock, fcntl.LOCK_EX)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Let only one process at a time start, stop, or check the servers."""
        with self._open_lock("starting") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _open_lock(self, name: str) -> IO[str]:
        return locks.opened(self.data_dir, name)

    # --- The keeper ---

    def keep(self) -> str | None:
        """Start what isn't running, and leave a keeper unless there is one. Return what went wrong, or None."""
        problem = None
        with self._alone():
            try:
                for server in self._needed:
                    if self._is_held():
                        server.start()
            except EmbeddedError as error:
                problem = str(error)
            except Exception:  # noqa: BLE001  # whatever it is, started servers need a keeper
                problem = traceback.format_exc()
            keeper = self._open_lock("keeper")
            is_first = locks.is_granted(keeper, fcntl.LOCK_EX)
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
                    self.valkey.stop()
                    self.postgres.stop()
                    keeper.close()
                    os._exit(0)  # this also releases the other locks: who has waited for them finds nothing running
        except Exception:  # noqa: BLE001  # nobody is left to handle it
            traceback.print_exc()
        os._exit(1)


def _main() -> None:
    """Run the keeper. It doesn't end by the signals that its users get, too: it must stop the servers after them."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Handled and not ignored, because the servers would inherit that.
        signal.signal(number, lambda _number, _frame: None)
    facts = json.loads(sys.argv[1])
    embedded_postgres.OPTIONS.update(facts["postgres_options"])
    sys.exit(Embedded(Path(facts["data_dir"]), postgres=facts["postgres"], valkey=facts["valkey"]).keep())


if __name__ == "__main__":
    _main()
