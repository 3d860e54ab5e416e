"""Behind PgBouncer in transaction mode nothing may rely on a session. Here is what the export journey leaves out;
.ci/run has the whole of test_export_over_http.py run over PgBouncer, too.
"""

import contextlib
import threading
from collections.abc import Iterator
from unittest import mock

import environ
import psycopg
import pytest
from django.db import connection, connections
from django.forms import ModelChoiceField

from credentials.actor import Actor
from credentials.models import AuditEvent, Organization
from credentials.trail import activity, audit
from credentials.trail.activity import Filter
from exports.intake import sandbox
from exports.models import Load
from tests.exports import ndjson
from tests.journeys.conftest import required_program
from tests.pgbouncer import pgbouncer
from tests.world import World

pytestmark = [pytest.mark.journey, pytest.mark.debian]

PATIENCE_SECONDS = 30


@pytest.fixture
def url(transactional_db) -> Iterator[str]:
    """The tests' database through PgBouncer; this process goes that way, too."""
    ours = connections.databases["default"]
    with pgbouncer(required_program("pgbouncer"), ours) as url:
        facts = environ.Env.db_url_config(url)
        connections.close_all()
        with mock.patch.dict(ours, {name: facts[name] for name in ("HOST", "PORT", "USER", "PASSWORD")}):
            yield url
            connections.close_all()


def test_a_session_is_wiped_after_each_transaction(url):
    """Else the other tests of this file would show nothing."""
    with psycopg.connect(url, autocommit=True) as it:
        it.execute("CREATE TEMPORARY TABLE mine (id integer)")
        with pytest.raises(psycopg.errors.UndefinedTable):
            it.execute("SELECT * FROM mine")


def test_sandboxes_are_made_one_after_the_other(url):
    waits, is_over = threading.Event(), threading.Event()
    seen: list[bool] = []

    def second() -> None:
        with contextlib.closing(connection), sandbox.alone(waits.set):
            seen.append(is_over.is_set())

    other = threading.Thread(target=second)
    with sandbox.alone(lambda: None):
        Organization.objects.count()
        other.start()
        has_waited = waits.wait(PATIENCE_SECONDS)
        is_over.set()
    other.join(PATIENCE_SECONDS)

    assert has_waited
    assert seen == [True]


def test_claims_are_loaded(url, tmp_path):
    world = World()
    [mbi] = world.beneficiaries(1)
    ndjson.write(tmp_path / "claims.ndjson", ndjson.patient("p-1", mbi), ndjson.eob("e-1", "p-1"))

    ndjson.load(tmp_path)

    assert Load.objects.get().resource_count == 2


def test_a_long_activity_is_taken_along_whole_and_in_order(url, monkeypatch):
    world = World()
    for number in range(7):
        audit.record(audit.Action.CLIENT_CREATED, Actor(), organization=world.harbor, number=number)
    monkeypatch.setattr(activity, "_AT_A_TIME", 2)

    lines = list(activity.ndjson_lines(Filter().of(AuditEvent.objects.for_organization(world.harbor))))

    assert [f'"number": {number}' in line for number, line in zip(range(6, -1, -1), lines, strict=True)] == [True] * 7


def test_choices_of_a_form_are_read(url):
    world = World()

    choices = list(ModelChoiceField(Organization.objects.order_by("pk"), empty_label=None).choices)

    assert [label for _, label in choices] == [str(world.harbor), str(world.mesa)]
