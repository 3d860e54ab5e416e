from django.db import connections


def give_back() -> None:
    """Release this thread's database connection before a wait: for a slow client, or for another server.

    The threads of a server share few connections, and a waiting one would block the others. The next query takes
    another connection. Inside a transaction this does nothing.
    """
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()
