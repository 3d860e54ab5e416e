"""`manage.py make_sandbox` again, and after an interruption: it goes on, and nothing is half done."""

import datetime as dt
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from urllib.parse import quote

import psutil
import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError
from django.db import connection, transaction
from django.utils import timezone

from attribution.models import RosterFile
from credentials.models import Organization
from exports.intake import sandbox
from exports.models import Chunk, Load
from portal.management.commands import make_sandbox
from tests.exports.intake.sandbox.tiny_sandboxes import (
    PARTIAL,
    TINY,
    claims,
    interrupt_after,
    left_over,
    made_elsewhere,
    make,
    stored,
)

PATIENCE_SECONDS = 120
# The real command, with sizes that are made in a moment.
SCRIPT = """
import sys
import django
django.setup()
from django.core.management import call_command
from django.core.management.base import CommandError
from tests.exports.intake.sandbox.tiny_sandboxes import SIZES
try:
    call_command("make_sandbox", *sys.argv[1:], sizes=SIZES)
except CommandError as error:
    sys.stderr.write(str(error))
    sys.exit(error.returncode)
"""


def test_a_run_that_finds_everything_there_changes_nothing_and_says_so(db):
    make("tiny")
    before = stored()

    again = make("tiny")

    assert "Already complete, nothing to do: tiny\n" in again
    assert stored() == before
    assert RosterFile.objects.count() == 1


def test_a_run_goes_on_where_an_earlier_one_stopped(db):
    with pytest.raises(KeyboardInterrupt):
        sandbox.make(TINY, on_load=interrupt_after(4))
    there = list(Load.objects.order_by("id").values_list("pk", "source", "loaded_at"))

    make("tiny")

    loads = list(Load.objects.order_by("id").values_list("pk", "source", "loaded_at"))
    assert (len(there), len(loads)) == (4, 6)
    assert loads[:4] == there
    assert len({source for _, source, _ in loads}) == len(loads)
    assert set(claims().values()) == {1}


def test_a_run_on_a_later_day_cuts_the_time_where_the_first_did(db, monkeypatch):
    whole = made_elsewhere(lambda: sandbox.make(TINY) and set(claims()))
    with pytest.raises(KeyboardInterrupt):
        sandbox.make(TINY, on_load=interrupt_after(4))
    later = timezone.now() + dt.timedelta(days=40)
    monkeypatch.setattr("django.utils.timezone.now", lambda: later)

    make("tiny")

    assert Load.objects.count() == 6
    assert set(claims()) == whole


def test_a_load_that_was_taken_back_is_made_again(db):
    sandbox.make(PARTIAL)
    last = Load.objects.latest("id")
    Load.objects.create(source="taking it back", takes_back=last)

    make("tiny-partial")

    assert Load.objects.filter(source=last.source).count() == 2


@pytest.mark.journey
def test_killed_in_the_middle_of_a_load_it_leaves_nothing_half_done_and_the_next_run_completes_it(transactional_db):
    killed = _started("tiny")
    assert killed.stdout is not None
    assert killed.stdout.readline().startswith("tiny: ")
    working = psutil.Process(killed.pid).children(recursive=True)
    with _nothing_can_be_written(killed):
        killed.send_signal(signal.SIGKILL)
        left = left_over(working)
    killed.communicate()
    there = dict(Load.objects.values_list("pk", "source"))
    chunks_of = set(Chunk.objects.values_list("load_id", flat=True))

    again = _started("tiny")
    _, errors = again.communicate(timeout=PATIENCE_SECONDS)

    assert again.returncode == 0, errors
    assert left == []
    assert 0 < len(there) < 6
    assert chunks_of == set(there)
    sources = dict(Load.objects.values_list("pk", "source"))
    assert sources.items() >= there.items()
    assert sorted(sources.values()) == sorted(portion.source for portion in sandbox.standing(TINY).portions)
    assert set(claims().values()) == {1}
    assert Organization.objects.count() == RosterFile.objects.count() == 1


@pytest.mark.journey
def test_ctrl_c_ends_it_with_all_its_processes_and_says_how_to_go_on(transactional_db):
    stopped = _started("tiny")
    assert stopped.stdout is not None
    assert stopped.stdout.readline().startswith("tiny: ")
    working = psutil.Process(stopped.pid).children(recursive=True)

    os.killpg(stopped.pid, signal.SIGINT)  # as a terminal does: to every process of the group
    left = left_over(working)
    _, errors = stopped.communicate(timeout=PATIENCE_SECONDS)

    assert stopped.returncode == 130
    assert errors.startswith("Stopped. ")
    assert "To continue, run the same command again" in errors
    assert "Traceback" not in errors
    assert left == []
    assert 0 < Load.objects.count() < 6
    assert set(Chunk.objects.values_list("load_id", flat=True)) == set(Load.objects.values_list("pk", flat=True))


@pytest.mark.journey
def test_a_database_that_goes_away_is_said_in_words_and_nothing_stays_behind(transactional_db):
    cut_off = _started("tiny")
    assert cut_off.stdout is not None
    assert cut_off.stdout.readline().startswith("tiny: ")
    working = psutil.Process(cut_off.pid).children(recursive=True)

    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
        """)
    left = left_over(working)
    _, errors = cut_off.communicate(timeout=PATIENCE_SECONDS)

    assert cut_off.returncode == 1
    assert errors.startswith("The database connection failed: ")
    assert "To continue, run the same command again" in errors
    assert left == []
    assert set(Chunk.objects.values_list("load_id", flat=True)) == set(Load.objects.values_list("pk", flat=True))


def test_a_process_that_was_ended_from_outside_is_said_in_words():
    words = "was killed.* Use fewer --processes.* To continue, run the same command again"

    with pytest.raises(CommandError, match=words), make_sandbox._ending_in_words():
        raise BrokenExecutor


@pytest.mark.journey
def test_while_another_makes_sandboxes_a_run_waits_for_its_turn(transactional_db):
    told: list[str] = []
    other = psycopg.connect(**connection.get_connection_params(), autocommit=True)
    other.execute("SELECT pg_advisory_lock(%s)", [sandbox._MAKING_LOCK])

    with sandbox.alone(lambda: (told.append("waiting"), other.close())):
        told.append("alone")

    assert told == ["waiting", "alone"]


def _started(*arguments: str) -> subprocess.Popen[str]:
    """The command in a process of its own, with two others, over the tests' database."""
    facts = connection.settings_dict
    user, password, host = (quote(str(facts[name]), safe="") for name in ("USER", "PASSWORD", "HOST"))
    url = f"postgres://{user}{password and ':'}{password}@/{facts['NAME']}?host={host}&port={facts['PORT'] or 5432}"
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, "--processes", "2", *arguments],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DATABASE_URL": url, "CELERY_BROKER_URL": settings.CELERY_BROKER_URL},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@contextmanager
def _nothing_can_be_written(process: subprocess.Popen[str]) -> Iterator[None]:
    """Inside, a load of `process` is under way and waits: its rows cannot go into the table."""
    waits = """
        SELECT count(*) FROM pg_locks
        WHERE NOT granted AND relation = 'exports_chunk'::regclass AND mode = 'RowExclusiveLock'
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE exports_chunk IN SHARE MODE")
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            cursor.execute(waits)
            if cursor.fetchone()[0]:
                break
            assert process.poll() is None, "it ended before it could be caught"
            assert time.monotonic() < until, "it never came to write"
        yield
