"""The checks of `manage.py check --deploy` for missing or wrong settings. Each says what to do."""

import ipaddress
import os
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register  # noqa: A004  # Django's name
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from attribution.formats import FORMATS
from attribution.staleness import Years
from credentials.programs import PROGRAMS

# One writes a file, and the other renews the lease meanwhile.
CONNECTIONS_PER_WORKER_PROCESS = 2
CONNECTIONS_PER_COMMAND = 2
# The lowest limit of the server, our role, and our database, without connections reserved for administrators.
_ALLOWED_CONNECTIONS = """
    SELECT least(
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
            - coalesce(nullif(current_setting('reserved_connections', TRUE), '')::int, 0),
        nullif(rolconnlimit, -1), nullif(datconnlimit, -1)
    )
    FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()
"""

# Caches that several machines can share, of those in Claimsgate's requirements.
SHARED_CACHES = (".RedisCache", ".DatabaseCache")


@register(Tags.security, deploy=True)
def production_settings(**_: Any) -> list[CheckMessage]:
    """Check the settings that have no default outside the embedded mode."""
    if settings.EMBEDDED:
        return [
            Warning(
                "Claimsgate runs embedded: its database is for one machine, and sandbox clients can call from it.",
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
                "CELERY_BROKER_URL is not set: workers wouldn't get any exports.",
                hint="Name a Redis, Valkey or RabbitMQ server, for example redis://host:6379/0 or amqp://user:password@host//.",
                id="claimsgate.E003",
            )
        )
    if not settings.CACHES["default"]["BACKEND"].endswith(SHARED_CACHES):
        found.append(
            Error(
                "CACHE_URL doesn't name a cache that all servers share. New secrets couldn't be shown, and each server "
                "would count sign-in attempts separately.",
                hint="Name a Redis or Valkey server, for example rediscache://host:6379/1. Without one, use "
                "PostgreSQL: dbcache://claimsgate_cache, after `python manage.py createcachetable`.",
                id="claimsgate.E007",
            )
        )
    if settings.DATABASE_POOL_SIZE < 1:
        found.append(
            Error(
                "DATABASE_POOL_SIZE is 0: a server would get no database connection.",
                hint="Leave it out, or set how many connections a server process can use; see docs/production.md.",
                id="claimsgate.E008",
            )
        )
    if "*" in settings.ALLOWED_HOSTS:
        found.append(
            Error(
                "ALLOWED_HOSTS accepts any host name, and the URLs in manifests would repeat it.",
                hint="List the host names that clients and users connect to, separated by commas.",
                id="claimsgate.E004",
            )
        )
    return found


@register(Tags.compatibility)
def roster_formats(**_: Any) -> list[CheckMessage]:
    """Check that the formats of rosters that programs name exist. Apps in EXTRA_APPS add programs and formats."""
    return [
        Error(
            f"{program.name} uses the roster format {code!r}, which doesn't exist.",
            hint="Add the format to attribution.formats.FORMATS, or correct roster_formats of the program.",
            id="claimsgate.E009",
        )
        for program in PROGRAMS
        for code in program.roster_formats
        if code not in FORMATS
    ]


@register(Tags.compatibility)
def roster_years(**_: Any) -> list[CheckMessage]:
    """Check that ROSTER_YEARS names programs, and rules that exist. With another rule, no export could start."""
    return [
        Error(
            f"ROSTER_YEARS: {code}={rule} isn’t a program and one of {', '.join(Years)}.",
            hint="Name a program or * before the equals sign, for example ROSTER_YEARS=*=strict,SSP=last-year.",
            id="claimsgate.E012",
        )
        for code, rule in settings.ROSTER_YEARS.items()
        if rule not in set(Years) or not (code == "*" or code in PROGRAMS)
    ]


@register(Tags.files, deploy=True)
def data_folder(**_: Any) -> list[CheckMessage]:
    """Check the data folder: beat writes its schedule there and, without S3 or EXPORTS_DIR, workers write exports."""
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
    """With `--database default`: check that the database allows enough connections for the smallest installation."""
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
            f"PostgreSQL allows {allowed} connections. One server process ({settings.DATABASE_POOL_SIZE}), a worker "
            f"with 4 processes (8), and a command (2) may need {wanted}.",
            hint="Raise max_connections or the limit of the role, lower DATABASE_POOL_SIZE, or use PgBouncer. "
            "docs/production.md says how to count the connections of the whole installation.",
            id="claimsgate.W003",
        )
    ]


@register(Tags.security)
def trusted_proxies(**_: Any) -> list[CheckMessage]:
    """Check that TRUSTED_PROXIES are networks, and that none is the whole Internet."""
    return [message for entry in settings.TRUSTED_PROXIES if (message := _proxy_problem(entry))]


@register(Tags.files)
def front_end_packages(app_configs: Sequence[Any] | None, **_: Any) -> list[CheckMessage]:
    """Check that the design system from npm is installed; without it, pages have no styles."""
    del app_configs
    if (settings.NODE_MODULES / "@uswds").exists() or (settings.STATIC_ROOT / "uswds").exists():
        return []
    return [
        Warning(
            "The front-end packages are missing: pages would have no styles.",
            hint="Run `make node_modules`, or `npm ci` in the folder of package.json.",
            id="claimsgate.W002",
        )
    ]


def _has_secret_key() -> bool:
    try:
        return bool(settings.SECRET_KEY)
    except ImproperlyConfigured:  # Django raises it for an empty one
        return False


def _proxy_problem(entry: str) -> CheckMessage | None:
    hint = "List each proxy's network, outermost first, for example TRUSTED_PROXIES=10.0.0.0/8."
    try:
        network = ipaddress.ip_network(entry)
    except ValueError as error:
        return Error(f"TRUSTED_PROXIES: {error}.", hint=hint, id="claimsgate.E005")
    if network.prefixlen == 0:
        return Error(
            f"TRUSTED_PROXIES: {entry} trusts everyone, so anyone could claim any IP address.",
            hint=hint,
            id="claimsgate.E006",
        )
    return None
