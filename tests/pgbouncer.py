"""A real PgBouncer in transaction mode, before the tests' PostgreSQL.

It gives a session away after each transaction, and wipes it: whatever relies on a session is seen to fail at once.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg

from portal.laptop.embedded_postgres import UNPRIVILEGED
from tests.ports import free_port

PATIENCE_SECONDS = 30
# Less than the servers and workers of a journey may want together.
SESSIONS = 8


@contextlib.contextmanager
def pgbouncer(program: str, facts: Mapping[str, Any]) -> Iterator[str]:
    """The DATABASE_URL that leads through it to the database of `facts` (a DATABASES entry), as long as the block."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="cg-pgbouncer-") as name:
        folder = Path(name)
        configuration = folder / "pgbouncer.ini"
        configuration.write_text(_configuration(facts, folder, port))
        # It refuses to run as root. As PostgreSQL's account it reaches the folder of PostgreSQL's socket.
        as_whom: dict[str, Any] = {}
        if os.geteuid() == 0:
            as_whom = {"user": UNPRIVILEGED, "group": "nogroup", "extra_groups": []}
            for path in (folder, configuration):
                shutil.chown(path, UNPRIVILEGED)
        process = subprocess.Popen([program, "--quiet", str(configuration)], stdin=subprocess.DEVNULL, **as_whom)
        url = f"postgres://{facts['USER']}:nothing@127.0.0.1:{port}/{facts['NAME']}"
        try:
            _wait_until_up(url, process)
            yield url
        finally:
            process.kill()
            process.wait()


def _configuration(facts: Mapping[str, Any], folder: Path, port: int) -> str:
    place = " ".join(
        f"{word}={facts[name]}"
        for word, name in (("host", "HOST"), ("port", "PORT"), ("user", "USER"), ("password", "PASSWORD"))
        if facts.get(name)
    )
    return f"""
[databases]
* = {place}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
logfile = {folder}/pgbouncer.log
pool_mode = transaction
default_pool_size = {SESSIONS}
max_client_conn = 500
server_reset_query = DISCARD ALL
server_reset_query_always = 1
"""


def _wait_until_up(url: str, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        assert process.poll() is None, "PgBouncer ended."
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError:
            assert time.monotonic() < until, "PgBouncer does not answer."
            time.sleep(0.05)
        else:
            return
