"""manage.py says in a sentence what it lacks: a database, its tables, a privilege, a setting."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import pytest
from django.core.management import get_commands
from django.db import OperationalError, connection, connections

from portal.laptop import command_line
from tests.attribution.archives import NAME, archive
from tests.attribution.consent import files as preferences
from tests.exports.ndjson import patient
from tests.services import REPOSITORY

PACKAGES = ("credentials", "attribution", "exports", "portal")
BY = ("--by", "operator@gate.example")
# Every command of ours that needs the database, with arguments that are good in themselves.
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "compact_claims": (),
    "create_operator": ("operator@gate.example",),
    "create_operator_token": ("--name", "Watcher", *BY),
    "create_organization": ("A9994", "--name", "Harbor", "--program", "SSP", *BY),
    "import_ssas_clients": ("ssas.json", *BY),
    "invite": ("A9994", "delegate@harbor.example", *BY),
    "list_expiring_secrets": (),
    "load_claims": ("claims.ndjson",),
    "load_preferences": (preferences.NAME,),
    "load_roster": (NAME,),
    "make_runout": ("A9994", *BY),
    "make_sandbox": (),
    "protect_audit": ("--check",),
    "remove_second_factor": ("delegate@harbor.example",),
    "revoke_everything": ("A9994", "--reason", "Left.", "--yes", *BY),
    "revoke_operator_token": ("a1b2", *BY),
    "rotate_secret": ("0" * 32, "--overlap", "0", *BY),
    "set_organization_exceptions": ("A9994", "--api-versions", "2", *BY),
    "set_organization_state": ("A9994", "active", *BY),
    "revert_load": ("1",),
    "take_back_load": ("1",),
}
# It starts the services and migrates the database itself.
NEEDS_NOTHING = {"demo"}


@contextmanager
def connected_to(**facts: str) -> Iterator[None]:
    """Inside, the commands find another database in DATABASE_URL."""
    connections.close_all()
    with mock.patch.dict(connections.databases["default"], facts):
        yield
        connections.close_all()


@pytest.fixture
def empty_database(django_db_setup, django_db_blocker) -> Iterator[None]:
    """A database that has never been migrated."""
    with django_db_blocker.unblock():
        with connection.cursor() as cursor:
            cursor.execute("DROP DATABASE IF EXISTS never_migrated")
            cursor.execute("CREATE DATABASE never_migrated")
        with connected_to(NAME="never_migrated"):
            yield


@pytest.fixture
def no_database(django_db_setup, django_db_blocker) -> Iterator[None]:
    """A port on which no PostgreSQL listens."""
    with django_db_blocker.unblock(), connected_to(HOST="127.0.0.1", PORT="1"):
        yield


@pytest.fixture
def files(tmp_path, monkeypatch):
    """What the commands are given to read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / NAME).write_bytes(archive().getvalue())
    (tmp_path / "claims.ndjson").write_text(json.dumps(patient("-1", "1S00A00AA00")))
    (tmp_path / "ssas.json").write_text("[]")
    (tmp_path / preferences.NAME).write_text(preferences.text(preferences.line("1S00A00AA00")))


def ended_with(*arguments: str) -> str:
    """The sentence with which the command ended."""
    with pytest.raises(SystemExit) as ended:
        command_line.run(["manage.py", *arguments])
    return str(ended.value.code)


def test_every_command_is_listed_here():
    ours = {name for name, app in get_commands().items() if app in PACKAGES}

    assert ours == set(ARGUMENTS) | NEEDS_NOTHING


@pytest.mark.parametrize("name", ARGUMENTS)
def test_on_a_database_without_tables_a_command_says_to_migrate(name, empty_database, files, capsys):
    sentence = ended_with(name, *ARGUMENTS[name])

    told = capsys.readouterr()
    assert "python manage.py migrate" in sentence + told.err
    assert "Traceback" not in told.out + told.err


@pytest.mark.parametrize("name", ["migrate", *ARGUMENTS])
def test_without_a_database_a_command_says_where_it_looked(name, no_database, files, capsys):
    sentence = ended_with(name, *ARGUMENTS.get(name, ()))

    assert "PostgreSQL can't be reached" in sentence
    assert "DATABASE_URL" in sentence
    assert "Traceback" not in capsys.readouterr().err


def test_a_role_that_may_not_is_named_as_the_cause(transactional_db, capsys):
    with connection.cursor() as cursor:
        cursor.execute("DROP ROLE IF EXISTS without_rights")
        cursor.execute("CREATE ROLE without_rights LOGIN")
    try:
        with connected_to(USER="without_rights"):
            sentence = ended_with("list_expiring_secrets")
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP ROLE without_rights")

    assert "The database role in DATABASE_URL isn't allowed to do this" in sentence
    assert "permission denied" in sentence
    assert "Traceback" not in capsys.readouterr().err


def test_with_traceback_the_exception_itself_is_raised(no_database):
    with pytest.raises(OperationalError):
        command_line.run(["manage.py", "list_expiring_secrets", "--traceback"])


def manage(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """A command as an operator gives it, in an environment that has nothing of the tests'."""
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=REPOSITORY,
        env={"PATH": os.environ["PATH"], **environment},
        check=False,
        capture_output=True,
        text=True,
    )


NOWHERE = {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing", "SECRET_KEY": "only-for-this-test"}


@pytest.mark.parametrize(
    "option", [["--settings=tests.journeys.processes.served"], ["--settings", "tests.journeys.processes.served"]]
)
def test_the_settings_that_an_option_names_are_those_that_count(option):
    told = manage("diffsettings", *option, **NOWHERE)

    assert "SETTINGS_MODULE = 'tests.journeys.processes.served'" in told.stdout
    assert "MD5PasswordHasher" in told.stdout


def test_settings_that_do_not_exist_are_named():
    told = manage("diffsettings", "--settings", "settings_of_nobody", **NOWHERE)

    assert told.returncode == 1
    assert "settings_of_nobody" in told.stderr


def test_a_setting_that_is_missing_is_named_without_a_traceback():
    told = manage("create_operator_token", "--name", "x", *BY, CLAIMSGATE_EMBEDDED="off")

    assert told.returncode == 1
    assert "Traceback" not in told.stderr
    assert "DATABASE_URL" in told.stderr
