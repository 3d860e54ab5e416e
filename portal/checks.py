"""What `manage.py check --deploy` says of settings that are missing or wrong, each with what to do."""

import ipaddress
import os
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004  # Django's name
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

# One writes a file, and one says meanwhile that it is alive.
CONNECTIONS_PER_WORKER_PROCESS = 2
CONNECTIONS_PER_COMMAND = 2
# Of the server, of our role and of our database; those that it keeps for administrators are not ours.
_ALLOWED_CONNECTIONS = """
    SELECT least(
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
            - coalesce(nullif(current_setting('reserved_connections', TRUE), '')::int, 0),
        nullif(rolconnlimit, -1), nullif(datconnlimit, -1)
    )
    FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()
"""

# The caches that more than one machine can use, of those that come with Claimsgate's requirements.
SHARED_CACHES = (".RedisCache", ".DatabaseCache")


@register(Tags.security, deploy=True)
def production_settings(**_: Any) -> list[CheckMessage]:
    """Everything that has no default outside the embedded mode."""
    if settings.EMBEDDED:
        return [
            Warning(
                "Claimsgate runs embedded: its database is for one machine, and sandbox clients may call from it.",
                hint="Set DATABASE_URL, for example postgres://user:password@host:5432/claimsgate.",
                id="claimsgate.W001",
            )
        ]
    found: list[CheckMessage] = []
    if not settings.DATABASE_URL:
        found.append(
            Error(
                "DATABASE_URL is not set.",
                hint="Name the PostgreSQL server, for example postgres://user:password@host:5432/claimsgate.",
                id="claimsgate.E001",
            )
        )
    if not _has_secret_key():
        found.append(
            Error(
                "SECRET_KEY is not set.",
                hint="Give it 50 random characters or more, the same on every machine, and keep it secret.",
                id="claimsgate.E002",
            )
        )
    if not settings.CELERY_BROKER_URL:
        found.append(
            Error(
                "CELERY_BROKER_URL is not set: no worker would hear of an export.",
                hint="Name a Redis, Valkey or RabbitMQ server, for example redis://host:6379/0 or amqp://user:password@host//.",
                id="claimsgate.E003",
            )
        )
    if not settings.CACHES["default"]["BACKEND"].endswith(SHARED_CACHES):
        found.append(
            Error(
                "CACHE_URL names no cache that all servers share. New secrets could not be shown, and each server "
                "would count tries to sign in for itself.",
                hint="Name a Redis or Valkey server, for example rediscache://host:6379/1. Without one, PostgreSQL can "
                "do it: dbcache://claimsgate_cache, after `python manage.py createcachetable`.",
                id="claimsgate.E007",
            )
        )
    if settings.DATABASE_POOL_SIZE < 1:
        found.append(
            Error(
                "DATABASE_POOL_SIZE is 0: a server would get no connection to the database.",
                hint="Leave it out, or give the connections that a server process may have; see docs/production.md.",
                id="claimsgate.E008",
            )
        )
    if "*" in settings.ALLOWED_HOSTS:
        found.append(
            Error(
                "ALLOWED_HOSTS lets any name pass, and the URLs in manifests would repeat it.",
                hint="List the host names that clients and people use, separated by commas.",
                id="claimsgate.E004",
            )
        )
    return found


@register(Tags.files, deploy=True)
def data_folder(**_: Any) -> list[CheckMessage]:
    """Beat keeps its schedule in the data folder and, without S3 or EXPORTS_DIR, workers their files."""
    if settings.EMBEDDED or (settings.DATA_DIR.is_dir() and os.access(settings.DATA_DIR, os.W_OK)):
        return []
    return [
        Warning(
            f"This account can't write to the data folder, {settings.DATA_DIR}: beat would not start.",
            hint="Set CLAIMSGATE_DATA_DIR to a folder that the account owns, outside the code: /srv/claimsgate.",
            id="claimsgate.W020",
        )
    ]


@register(Tags.database, deploy=True)
def database_connections(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """With `--database default`: whether the database lets in what even the smallest installation may want."""
    if not databases or settings.EMBEDDED:
        return []
    with connection.cursor() as cursor:
        cursor.execute(_ALLOWED_CONNECTIONS)
        allowed: int = cursor.fetchone()[0]
    wanted = settings.DATABASE_POOL_SIZE + 4 * CONNECTIONS_PER_WORKER_PROCESS + CONNECTIONS_PER_COMMAND
    if allowed >= wanted:
        return []
    return [
        Warning(
            f"PostgreSQL lets {allowed} connections in. One server process ({settings.DATABASE_POOL_SIZE}), a worker "
            f"of 4 processes (8) and a command (2) may want {wanted}.",
            hint="Raise max_connections or the limit of the role, lower DATABASE_POOL_SIZE, or use PgBouncer. "
            "docs/production.md says how to count the connections of the whole installation.",
            id="claimsgate.W003",
        )
    ]


@register(Tags.security)
def trusted_proxies(**_: Any) -> list[CheckMessage]:
    """TRUSTED_PROXIES must be networks, and none of them the whole Internet."""
    return [message for entry in settings.TRUSTED_PROXIES if (message := _proxy_problem(entry))]


@register(Tags.files)
def front_end_packages(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """The design system comes from npm; without it the pages have no style."""
    del app_configs
    if (settings.NODE_MODULES / "@uswds").exists() or (settings.STATIC_ROOT / "uswds").exists():
        return []
    return [
        Warning(
            "The front-end packages are missing: pages would have no style.",
            hint="Run `make node_modules`, or `npm ci` in the folder of package.json.",
            id="claimsgate.W002",
        )
    ]


def _has_secret_key() -> bool:
    try:
        return bool(settings.SECRET_KEY)
    except ImproperlyConfigured:  # what Django says of an empty one
        return False


def _proxy_problem(entry: str) -> CheckMessage | None:
    hint = "Give each proxy's network, outermost first, for example TRUSTED_PROXIES=10.0.0.0/8."
    try:
        network = ipaddress.ip_network(entry)
    except ValueError as error:
        return Error(f"TRUSTED_PROXIES: {error}.", hint=hint, id="claimsgate.E005")
    if network.prefixlen == 0:
        return Error(
            f"TRUSTED_PROXIES: {entry} trusts everyone, so anyone could claim any address.",
            hint=hint,
            id="claimsgate.E006",
        )
    return None
