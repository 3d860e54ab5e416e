"""Runs a manage.py command and says in a sentence what's missing: a setting, the database, its tables, a privilege.

Nothing here reads the settings before `--settings` is applied.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.core.management.base import CommandError, CommandParser, handle_default_options
from django.db import DatabaseError, OperationalError

from portal.laptop.embedded_server import EmbeddedError

# PostgreSQL's codes for a missing table, column, or schema, and for a missing privilege.
_NOT_MIGRATED = {"42P01", "42703", "3F000"}
_NOT_ALLOWED = "42501"
# Commands that touch neither database nor broker.
_NEED_NO_SERVICES = {"check", "collectstatic", "findstatic", "help", "version", "--help", "--version"}


def run(arguments: Sequence[str]) -> None:
    """Run the command. If an operator can fix what's missing, exit with one sentence instead of a traceback.

    With `--traceback`, raise the exception itself, as Django does.
    """
    try:
        _heed_options(arguments)
        _start_services(arguments)
        execute_from_command_line(list(arguments))
    except (DatabaseError, ImproperlyConfigured, EmbeddedError) as error:
        sentence = _in_words(error)
        if sentence is None or "--traceback" in arguments:
            raise
        sys.exit(sentence)


def _heed_options(arguments: Sequence[str]) -> None:
    """Apply `--settings` and `--pythonpath`: starting the embedded services reads the settings before Django does."""
    parser = CommandParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--settings")
    parser.add_argument("--pythonpath")
    try:
        options, _ = parser.parse_known_args(list(arguments[2:]))
    except CommandError:  # an option without a value; Django reports it later
        return
    handle_default_options(options)


def _start_services(arguments: Sequence[str]) -> None:
    """Start the embedded servers, unless the command needs none or the settings name external ones."""
    command = arguments[1] if len(arguments) > 1 else "help"
    if command == "demo":
        # It starts the servers itself, after checking that its port is free.
        _heed_data_dir(arguments)
    elif command not in _NEED_NO_SERVICES:
        settings.SERVICES.start()


def _heed_data_dir(arguments: Sequence[str]) -> None:
    """Apply the demo's `--data-dir` before the settings are read."""
    os.environ.setdefault("CLAIMSGATE_EMBEDDED", "on")
    for place, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name == "--data-dir":
            os.environ["CLAIMSGATE_DATA_DIR"] = str(Path(value or "".join(arguments[place + 1 : place + 2])).resolve())


def _in_words(error: Exception) -> str | None:
    """Return what's missing and what to do next; None if only a developer can fix it."""
    if not isinstance(error, DatabaseError):
        return f"{type(error).__name__}: {error}" if not str(error) else str(error)
    said = " ".join(str(error).split())
    state = getattr(error.__cause__, "sqlstate", None)
    if state in _NOT_MIGRATED:
        return f"The database is missing tables or columns. Run “python manage.py migrate”, then try again. ({said})"
    if state == _NOT_ALLOWED:
        return (
            "The database role in DATABASE_URL isn't allowed to do this. Run “migrate” and “protect_audit --role” as "
            f"the role that owns the database; see docs/production.md. ({said})"
        )
    if isinstance(error, OperationalError):
        return (
            "PostgreSQL can't be reached, or it closed the connection. Check that it's running and that DATABASE_URL "
            f"is correct, then try again. ({said})"
        )
    return None
