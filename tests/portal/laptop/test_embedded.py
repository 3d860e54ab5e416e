"""The embedded servers start when they are needed, and end with their last user, however that ends."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from portal.laptop.embedded import Embedded
from portal.laptop.embedded_postgres import DATABASE, UNPRIVILEGED
from portal.laptop.embedded_server import EmbeddedError
from tests.services import REPOSITORY


@pytest.fixture(scope="module")
def used_folder() -> Iterator[Path]:
    """A data folder for one test after the other: its data is made once."""
    folder = Path(tempfile.mkdtemp(prefix="cg-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def answers(embedded: Embedded) -> bool:
    try:
        psycopg.connect(host=str(embedded.postgres.socket_dir), user=DATABASE, dbname=DATABASE).close()
    except psycopg.OperationalError:
        return False
    return True


def user_of(folder: Path, *first: str) -> subprocess.Popen[str]:
    """A process of its own that uses the servers of a folder: it says so when they are there, and stays."""
    script = [
        "import os, secrets, signal",
        "from pathlib import Path",
        "from portal.laptop.embedded import Embedded",
        f"embedded = Embedded(Path({str(folder)!r}))",
        *first,
        "embedded.start()",
        "print('there', flush=True)",
        "signal.pause()",
    ]
    return subprocess.Popen(
        [sys.executable, "-c", "\n".join(script)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )


def is_there(user: subprocess.Popen[str]) -> bool:
    assert user.stdout is not None
    return user.stdout.readline() == "there\n"


def kill_a_user_of(folder: Path) -> None:
    with user_of(folder) as user:
        assert is_there(user)
        user.kill()


def processes_of(folder: Path) -> list[psutil.Process]:
    """The keeper, the servers, and what makes the data."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if any(str(folder) in word for word in (process.cwd(), *process.cmdline())):
                found.append(process)
    return found


def until(condition) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it did not come to pass within 30 s"
        time.sleep(0.02)


def test_the_servers_live_as_long_as_their_last_user(used_folder):
    first, second = Embedded(used_folder), Embedded(used_folder)

    first.start()
    second.start()
    first.stop()
    with_one_user_left = answers(second)
    second.stop()

    assert with_one_user_left
    assert not processes_of(used_folder)


def test_a_user_who_is_killed_leaves_nothing_running(used_folder):
    kill_a_user_of(used_folder)

    until(lambda: not processes_of(used_folder))


def test_a_user_who_is_killed_takes_nothing_from_the_others(used_folder):
    embedded = Embedded(used_folder)

    with user_of(used_folder) as first:
        assert is_there(first)
        embedded.start()
        first.kill()
    kill_a_user_of(used_folder)
    running = answers(embedded)
    embedded.stop()

    assert running
    assert not processes_of(used_folder)


def test_who_comes_while_the_servers_stop_gets_them_anew(used_folder):
    kill_a_user_of(used_folder)

    with Embedded(used_folder).running() as embedded:
        running = answers(embedded)

    assert running
    assert not processes_of(used_folder)


def test_one_who_needs_less_does_not_leave_the_rest_behind(used_folder):
    with Embedded(used_folder, postgres=False).running(), Embedded(used_folder).running() as embedded:
        running = answers(embedded)

    assert running
    assert not processes_of(used_folder)


def test_a_server_that_was_killed_is_started_again_and_ends_with_the_others(used_folder):
    with Embedded(used_folder).running() as embedded:
        for process in processes_of(used_folder):
            with contextlib.suppress(psutil.Error):
                process.kill()  # the keeper, too

        embedded.start()
        running = answers(embedded)

    assert running
    assert not processes_of(used_folder)


def test_after_a_power_failure_while_the_data_is_made_it_is_made_anew(data_folder):
    with user_of(data_folder) as user:
        until(lambda: list(data_folder.glob("postgres/*/PG_VERSION")))
        for process in [*processes_of(data_folder), user]:
            with contextlib.suppress(psutil.Error):
                process.kill()

    with Embedded(data_folder).running() as embedded:
        assert answers(embedded)


def test_after_a_power_failure_the_number_of_postgres_may_be_that_of_another(used_folder):
    account = UNPRIVILEGED if os.geteuid() == 0 else None
    with Embedded(used_folder).running() as embedded:
        places = [
            embedded.postgres.home / "data" / "postmaster.pid",
            *embedded.postgres.socket_dir.glob(".s.PGSQL.*.lock"),
        ]
        texts = [place.read_text() for place in places]

    with subprocess.Popen(["sleep", "60"], user=account) as other:
        try:
            for place, text in zip(places, texts, strict=True):
                place.write_text(f"{other.pid}\n{text.partition(chr(10))[2]}")
                if account:
                    shutil.chown(place, account)
            with embedded.running():
                running = answers(embedded)
            is_spared = other.poll() is None
        finally:
            other.kill()

    assert len(places) == 2
    assert (running, is_spared) == (True, True)


def test_killed_while_the_key_is_made_it_leaves_none(data_folder):
    killing = "secrets.token_urlsafe = lambda _length: os.kill(os.getpid(), signal.SIGKILL)"
    with user_of(data_folder, killing, "embedded.secret_key()"):
        pass

    assert len(Embedded(data_folder).secret_key()) > 50


def test_what_postgres_says_of_a_start_that_fails_is_passed_on(data_folder):
    with Embedded(data_folder).running() as embedded:
        pass
    (embedded.postgres.home / "data" / "global" / "pg_control").unlink()

    with pytest.raises(EmbeddedError, match=r"(?s)pg_ctl exited with code 1.* your own PostgreSQL, set DATABASE_URL"):
        embedded.start()

    embedded.stop()
    assert not processes_of(data_folder)


def test_only_its_owner_can_reach_the_sockets_and_the_key(used_folder):
    with Embedded(used_folder).running() as embedded:
        key = embedded.secret_key()

        assert key == embedded.secret_key()
        assert len(key) > 50
        assert (used_folder / "secret-key").stat().st_mode & 0o077 == 0
        assert embedded.postgres.socket_dir.stat().st_mode & 0o077 == 0
        assert embedded.valkey.socket.parent.stat().st_mode & 0o077 == 0


def test_a_long_path_gets_its_sockets_elsewhere(data_folder):
    deep = data_folder / ("x" * 90)

    embedded = Embedded(deep)

    assert len(str(embedded.postgres.socket_dir)) <= 80
    assert len(str(embedded.valkey.socket)) <= 100


def test_as_root_a_private_folder_stays_private(data_folder, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    private = data_folder / "private"
    private.mkdir(mode=0o700)

    home = Embedded(private / "var").postgres.home

    assert data_folder not in home.parents
    assert private.stat().st_mode & 0o077 == 0
