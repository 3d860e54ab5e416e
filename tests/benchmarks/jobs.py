"""A whole small job over HTTP, in units of what one status request costs."""

import secrets
from collections.abc import Iterator
from pathlib import Path

from credentials.actor import Actor
from credentials.clients.issuing import create_client
from portal.laptop import processes
from portal.laptop.bulk_client import BulkClient
from tests.benchmarks import store
from tests.benchmarks.measuring import Figure, at_most, in_turn, ratio
from tests.ports import free_port

KICK_OFF = "api/v2/Group/all/$export"
# One takes a few milliseconds; so many are timed together.
REQUESTS = 50


def figures(folder: Path) -> Iterator[Figure]:
    """From the kick-off to the finished manifest, asked for without a pause; the worker is idle."""
    store.prepare()
    port = free_port()
    workers = processes.start_workers(folder, writers=2)
    server = processes.start_server(folder, port=port)
    try:
        processes.wait_until_up(f"http://localhost:{port}", server)
        client = client_of(store.FIFTY, port)
        finished = client.start(KICK_OFF)
        _wait(client, finished)
        times = in_turn(job=lambda: _wait(client, client.start(KICK_OFF)), requests=lambda: ask(client, finished))
    finally:
        for process in (*workers, server):
            process.stop()
    value = REQUESTS * ratio(times, "job", "requests")
    yield at_most("a whole job of 50 beneficiaries, in status requests", value, 60, times)


def client_of(entity_id: str, port: int) -> BulkClient:
    """A new client of an organization, which has signed in."""
    client, secret = create_client(
        organization=store.organization(entity_id),
        name=f"bench {secrets.token_hex(4)}",
        addresses=["127.0.0.1", "::1"],
        by=Actor(),
    )
    return BulkClient(f"http://localhost:{port}", client.client_id, secret)


def _wait(client: BulkClient, job_url: str) -> None:
    while client.status(job_url).output is None:
        pass


def ask(client: BulkClient, job_url: str) -> None:
    """REQUESTS status requests, one after the other."""
    for _ in range(REQUESTS):
        client.status(job_url)
