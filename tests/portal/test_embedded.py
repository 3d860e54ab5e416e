"""The embedded servers start when they are needed, and end with their last user."""

import os
import subprocess
import sys

import psycopg

from portal.embedded import DATABASE, Embedded
from tests.services import REPOSITORY


def answers(embedded: Embedded) -> bool:
    try:
        psycopg.connect(host=str(embedded.postgres_socket_dir), user=DATABASE, dbname=DATABASE).close()
    except psycopg.OperationalError:
        return False
    return True


def test_the_servers_live_as_long_as_their_last_user(data_folder):
    first, second = Embedded(data_folder), Embedded(data_folder)

    first.start()
    second.start()
    first.stop()
    with_one_user_left = answers(second)
    second.stop()

    assert with_one_user_left
    assert not answers(second)


def test_a_user_who_is_killed_keeps_nothing_running(data_folder):
    script = f"""
import os, signal
from pathlib import Path
from portal.embedded import Embedded
Embedded(Path({str(data_folder)!r})).start()
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, check=False)
    embedded = Embedded(data_folder)

    embedded.start()
    running = answers(embedded)
    embedded.stop()

    assert running
    assert not answers(embedded)


def test_only_its_owner_can_reach_the_sockets_and_the_key(data_folder):
    embedded = Embedded(data_folder)
    with embedded.running():
        key = embedded.secret_key()

        assert key == embedded.secret_key()
        assert len(key) > 50
        assert (data_folder / "secret-key").stat().st_mode & 0o077 == 0
        assert embedded.postgres_socket_dir.stat().st_mode & 0o077 == 0
        assert embedded.valkey_socket.parent.stat().st_mode & 0o077 == 0


def test_a_long_path_gets_its_sockets_elsewhere(data_folder):
    deep = data_folder / ("x" * 90)

    embedded = Embedded(deep)

    assert len(str(embedded.postgres_socket_dir)) <= 80
    assert len(str(embedded.valkey_socket)) <= 100


def test_as_root_a_private_folder_stays_private(data_folder, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    private = data_folder / "private"
    private.mkdir(mode=0o700)

    home = Embedded(private / "var").postgres_home

    assert data_folder not in home.parents
    assert private.stat().st_mode & 0o077 == 0
