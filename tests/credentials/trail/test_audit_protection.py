"""The trail against SQL: by the owner of the table, by an application that owns nothing. With real roles."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from urllib.parse import quote

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction

from credentials.models import AuditEvent
from credentials.trail import protection

CHANGES = [
    "UPDATE credentials_auditevent SET action = 'x'",
    "DELETE FROM credentials_auditevent",
    "TRUNCATE credentials_auditevent",
    "TRUNCATE credentials_organization CASCADE",
    "DROP TRIGGER audit_events_are_only_added ON credentials_auditevent",
    "ALTER TABLE credentials_auditevent DISABLE TRIGGER ALL",
    "DROP TABLE credentials_auditevent",
    "SET session_replication_role = replica",
    "CREATE OR REPLACE FUNCTION refuse_change_of_audit_event() RETURNS trigger LANGUAGE sql AS ''",
]


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.fixture
def role(transactional_db) -> Iterator[str]:
    """A role that may connect and nothing else, as an administrator of the database makes it."""
    name = f"app_{uuid.uuid4().hex[:8]}"
    execute(f"CREATE ROLE {name} LOGIN")
    yield name
    execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


def connected(role: str) -> psycopg.Connection:
    facts = connection.settings_dict
    return psycopg.connect(host=facts["HOST"], port=facts["PORT"] or None, dbname=facts["NAME"], user=role)


def test_the_trigger_refuses_truncate_too(db):
    with pytest.raises(DatabaseError, match="TRUNCATE is refused"), transaction.atomic():
        execute("TRUNCATE credentials_auditevent")


def test_a_protected_role_does_the_applications_work(world, role):
    call_command("protect_audit", role=role)

    with connected(role) as app:
        app.execute("UPDATE credentials_organization SET name = 'Harbor' WHERE entity_id = 'A9994'")
        app.execute(
            "INSERT INTO credentials_auditevent (occurred_at, action, outcome, request_id, detail) "
            "VALUES (now(), 'client.created', 'done', '', '{}')"
        )
        app.execute("CREATE TEMPORARY TABLE incoming (line integer)")

    assert AuditEvent.objects.get().action == "client.created"


@pytest.mark.parametrize("change", CHANGES)
def test_a_protected_role_changes_nothing_in_the_trail(world, role, change):
    world.api_client()
    before = AuditEvent.objects.count()
    call_command("protect_audit", role=role)

    with (
        connected(role) as app,
        pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.RaiseException)),
    ):
        app.execute(change)

    assert AuditEvent.objects.count() == before > 0


def test_tables_that_come_later_are_for_the_role_too(role):
    call_command("protect_audit", role=role)
    execute("CREATE TABLE came_later (id serial)")

    try:
        with connected(role) as app:
            app.execute("INSERT INTO came_later DEFAULT VALUES")
    finally:
        execute("DROP TABLE came_later")


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        ("ALTER ROLE {role} SUPERUSER", "NOSUPERUSER"),
        ("ALTER ROLE {role} CREATEROLE", "NOCREATEROLE"),
        ("GRANT {owner} TO {role}", "is a member of the owner"),
        ("GRANT pg_write_all_data TO {role}", "has the privilege UPDATE"),
    ],
)
def test_a_role_that_could_change_the_trail_all_the_same_is_refused_with_the_remedy(role, before, reason):
    execute(before.format(role=role, owner=connection.settings_dict["USER"]))

    with pytest.raises(CommandError, match=reason):
        call_command("protect_audit", role=role)

    execute(f"ALTER ROLE {role} NOSUPERUSER")
    with connection.cursor() as cursor:
        cursor.execute("SELECT has_schema_privilege(%s, 'public', 'CREATE'), relacl::text FROM pg_class "
                       "WHERE relname = 'credentials_auditevent'", [role])  # fmt: skip
        assert role not in str(cursor.fetchone()[1])


def test_an_unknown_role_is_refused_and_the_reason_says_how_to_make_it(db):
    with pytest.raises(CommandError, match='CREATE ROLE "nobody_at_all"'):
        call_command("protect_audit", role="nobody_at_all")


def test_a_role_may_be_protected_twice(role):
    call_command("protect_audit", role=role)
    call_command("protect_audit", role=role)

    assert protection.powers(role) == []


def test_the_check_says_of_its_own_connection_whether_it_could_change_the_trail(role):
    call_command("protect_audit", role=role)

    with pytest.raises(CommandError, match="superuser"):
        call_command("protect_audit", check=True)
    assert "can only read the audit trail and add" in manage("protect_audit", "--check", user=role)


def manage(*arguments: str, user: str) -> str:
    facts = connection.settings_dict
    host, port = quote(str(facts["HOST"]), safe=""), facts["PORT"] or 5432
    url = f"postgres://{user}@/{facts['NAME']}?host={host}" if str(facts["HOST"]).startswith("/") else (
        f"postgres://{user}@{host}:{port}/{facts['NAME']}"
    )  # fmt: skip
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DATABASE_URL": url, "CELERY_BROKER_URL": settings.CELERY_BROKER_URL},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
