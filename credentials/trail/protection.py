"""Protects the audit trail from the application's own account with two database roles: an owner and a worker.

A trigger refuses to change events, but the owner of a table can drop its triggers. So in production the application
connects as a role that owns nothing; see docs/audit-trail.md.
"""

from dataclasses import dataclass

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

TABLE = "credentials_auditevent"
# What only the owner can do to the trail. The application needs only INSERT and SELECT.
_TAKEN = ("UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
_MAINTAIN_SINCE = 17_00_00


class NotProtectedError(RuntimeError):
    """The role could still change the trail. Nothing was granted or revoked. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Power:
    """Something that a role could do to the audit trail, and how to remove that right."""

    what: str
    remedy: str


@transaction.atomic
def protect(role: str) -> None:
    """Let `role` do the application's work, but only read the audit trail and add to it.

    Run it as the owner of the tables. It is safe to run again. Raises NotProtectedError.
    """
    with connection.cursor() as cursor:
        owner = _owner(cursor)
        if not _exists(cursor, role):
            raise NotProtectedError(
                f"There is no role “{role}” in this database. Create it first: "
                f"CREATE ROLE {connection.ops.quote_name(role)} LOGIN PASSWORD '…';"
            )
        if not _is_member(cursor, _me(cursor), owner):
            raise NotProtectedError(
                f"{TABLE} belongs to the role “{owner}”. Run this command as that role: set DATABASE_URL to it."
            )
        _grant(cursor, role)
        if left := powers(role):
            told = " ".join(f"It {power.what}: {power.remedy}" for power in left)
            raise NotProtectedError(f"The role “{role}” could still change the audit trail. {told}")


def powers(role: str | None = None) -> list[Power]:
    """Return what `role`, or the role of this connection, could do to change the audit trail."""
    with connection.cursor() as cursor:
        role = role or _me(cursor)
        name = connection.ops.quote_name(role)
        owner = _owner(cursor)
        found = []
        cursor.execute("SELECT rolsuper, rolcreaterole FROM pg_roles WHERE rolname = %s", [role])
        is_superuser, makes_roles = cursor.fetchone()
        if is_superuser:
            return [Power("is a superuser", f"ALTER ROLE {name} NOSUPERUSER;")]
        if makes_roles:
            found.append(Power("can create roles, and so give itself any role", f"ALTER ROLE {name} NOCREATEROLE;"))
        if role == owner:
            return [*found, Power("owns the table", "connect the application as another role.")]
        if _is_member(cursor, role, owner):
            remedy = f"REVOKE {connection.ops.quote_name(owner)} FROM {name};"
            return [*found, Power(f"is a member of the owner, “{owner}”", remedy)]
        cursor.execute(
            "SELECT privilege FROM unnest(%s::text[]) AS privilege WHERE has_table_privilege(%s, %s, privilege)",
            [list(_TAKEN), role, TABLE],
        )
        taken = [privilege for (privilege,) in cursor.fetchall()]
        return [*found, *(_privilege(privilege, name) for privilege in taken)]


def _privilege(privilege: str, name: str) -> Power:
    return Power(
        f"has the privilege {privilege}",
        f"REVOKE {privilege} ON {TABLE} FROM {name}; or remove the membership that gives it the privilege.",
    )


def _grant(cursor: CursorWrapper, role: str) -> None:
    cursor.execute("SELECT current_schema(), current_setting('server_version_num')::int")
    schema, version = cursor.fetchone()
    name, schema = connection.ops.quote_name(role), connection.ops.quote_name(schema)
    # The loaders run ANALYZE. Before PostgreSQL 17 only an owner could.
    work = "SELECT, INSERT, UPDATE, DELETE" + (", MAINTAIN" if version >= _MAINTAIN_SINCE else "")
    for statement in (
        f"GRANT USAGE ON SCHEMA {schema} TO {name}",
        f"GRANT {work} ON ALL TABLES IN SCHEMA {schema} TO {name}",
        f"GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA {schema} TO {name}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT {work} ON TABLES TO {name}",
        f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO {name}",
        f"REVOKE CREATE ON SCHEMA {schema} FROM {name}, PUBLIC",
        f"REVOKE ALL ON {TABLE} FROM {name}, PUBLIC",
        f"GRANT SELECT, INSERT ON {TABLE} TO {name}",
    ):
        cursor.execute(statement)


def _me(cursor: CursorWrapper) -> str:
    cursor.execute("SELECT current_user")
    return str(cursor.fetchone()[0])


def _owner(cursor: CursorWrapper) -> str:
    """Raises ProgrammingError, as any query would, if the table does not exist yet."""
    cursor.execute("SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = %s::regclass", [TABLE])
    return str(cursor.fetchone()[0])


def _exists(cursor: CursorWrapper, role: str) -> bool:
    cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
    return cursor.fetchone() is not None


def _is_member(cursor: CursorWrapper, role: str, of: str) -> bool:
    cursor.execute("SELECT pg_has_role(%s, %s, 'MEMBER')", [role, of])
    return bool(cursor.fetchone()[0])
