"""Who waits for whom. The locks are PostgreSQL's advisory locks, which last until the end of the transaction.

They don't lock the organization's row: its tokens, jobs and its removal must not wait for a roster.
"""

from django.db import connection

from credentials.models import Organization

_LOADING = "attribution.loading"
_IN_FORCE = "attribution.in_force"


def wait_to_load(organization: Organization) -> None:
    """Allow one load of an organization at a time. A large file takes minutes."""
    _lock("pg_advisory_xact_lock", _LOADING, organization)


def wait_to_change(organization: Organization) -> None:
    """Wait until nobody changes or chooses which rosters of an organization are published. Hold it briefly."""
    _lock("pg_advisory_xact_lock", _IN_FORCE, organization)


def wait_to_choose(organization: Organization) -> None:
    """Keep the rosters of an organization from being published or rolled back. Others can choose at the same time.

    Whoever waits to change them then finds what was made of the choice.
    """
    _lock("pg_advisory_xact_lock_shared", _IN_FORCE, organization)


def _lock(function: str, name: str, organization: Organization) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(hashtextextended(%s, %s))", [name, organization.pk])
