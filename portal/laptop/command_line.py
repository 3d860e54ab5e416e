"""Runs a manage.py command and says in a sentence what's missing: a setting, the database, its tables, a privilege.

Nothing here reads the settings before `--settings` is applied.
"""

import sys
from collections.abc import Sequence

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line
from django.core.management.base import CommandError, CommandParser, handle_default_options
from django.db import DatabaseError, OperationalError

from portal.laptop import embedded

# PostgreSQL's codes for a missing table, column, or schema, and for a missing privilege.
_NOT_MIGRATED = {"42P01", "42703", "3F000"}
_NOT_ALLOWED = "42501"


def run(arguments: Sequence[str]) -> None:
    """Run the command. If an operator can fix what's missing, exit with one sentence instead of a traceback.

    With `--traceback`, raise the exception itself, as Django does.
    """
    try:
        _heed_options(arguments)
        embedded.start_for_command(arguments)
        execute_from_command_line(list(arguments))
    except (DatabaseError, ImproperlyConfigured, embedded.EmbeddedError) as error:
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
