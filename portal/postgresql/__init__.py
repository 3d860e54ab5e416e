"""How Claimsgate's processes connect to the database: a server's threads share a few connections.

Workers and commands have a connection for each thread that needs one, and close it when the task or command ends.
See docs/decisions/0009.
"""

from django.conf import settings
from django.db import connections


def share_connections() -> None:
    """Make the threads of this process use a connection pool. Call it before the first query."""
    connections.databases["default"]["OPTIONS"]["pool"] = settings.DATABASE_POOL
