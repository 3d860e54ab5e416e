"""A PostgreSQL server of the tests' own, with passwords and a port, as a deployment has it."""

import contextlib
import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from portal.laptop.embedded_postgres import UNPRIVILEGED, programs
from tests.ports import free_port

# The folder of another version's programs, for example Debian's: /usr/lib/postgresql/15/bin.
PROGRAMS = "TEST_POSTGRES_PROGRAMS"


class Postgres:
    """Its administrator comes in by the socket without a password, everybody else by TCP with one."""

    def __init__(self, folder: Path) -> None:
        named = os.environ.get(PROGRAMS)
        self.programs = Path(named) if named else programs()
        self.folder = folder
        self.port = free_port()

    def administrate(self, sql: str) -> str:
        """What psql prints, for an administrator."""
        options = ["--no-psqlrc", "--tuples-only", "--no-align", "--quiet", "--set", "ON_ERROR_STOP=1"]
        place = ["--host", str(self.folder), "--port", str(self.port), "--username", "postgres"]
        return self._run("psql", *options, *place, input=sql)

    @contextlib.contextmanager
    def running(self) -> Iterator["Postgres"]:
        self.folder.mkdir()
        if os.geteuid() == 0:
            shutil.chown(self.folder, UNPRIVILEGED)
        data = f"{self.folder}/data"
        authentication = ["--auth-local=trust", "--auth-host=scram-sha-256"]
        self._run("initdb", "-D", data, "-U", "postgres", *authentication, "--encoding=UTF8", "--no-locale")
        options = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(self.folder),
            "fsync": "off",
        }
        flags = " ".join(f"-c {name}={value}" for name, value in options.items())
        self._run("pg_ctl", "-D", data, "-w", "-l", f"{self.folder}/log", "-o", flags, "start")
        try:
            yield self
        finally:
            self._run("pg_ctl", "-D", data, "-w", "-m", "immediate", "stop")

    def _run(self, program: str, *arguments: str, input: str = "") -> str:  # noqa: A002  # subprocess's name
        with (self.folder / "output").open("w+") as output:
            finished = subprocess.run(
                [str(self.programs / program), *arguments],
                cwd=self.folder,
                check=False,
                input=input,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                user=UNPRIVILEGED if os.geteuid() == 0 else getpass.getuser(),
                extra_groups=[] if os.geteuid() == 0 else None,
            )
            output.seek(0)
            told = output.read()
        assert finished.returncode == 0, f"{program}: {told}"
        return told
