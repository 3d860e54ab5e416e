"""The database as the processes of Claimsgate use it: servers share a few connections among their threads.

Everything else, a worker process or a command, has a connection for each thread that asks, and closes it when a task
or the command is over. See docs/decisions/0009.
"""

from django.conf import settings
from django.db import connections


def share_connections() -> None:
    """From now on the threads of this process take their connections from a pool. Call it before the first query."""
    connections.databases["default"]["OPTIONS"]["pool"] = settings.DATABASE_POOL
