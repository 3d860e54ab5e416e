from django.db import connections


def give_back() -> None:
    """Let go of this thread's database connection, before a wait for somebody else: a slow client, another's server.

    The threads of a server share few connections, and one that waits would keep the others from theirs. The next query
    takes another. Inside a transaction nothing is done.
    """
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()
