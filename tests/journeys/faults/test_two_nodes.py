"""Two servers and two workers share a small PostgreSQL with many clients, and lose it for a while."""

import asyncio
import collections
import itertools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import httpx
import psycopg
import pytest
from django.db import connection, connections

from portal.laptop import embedded_postgres
from tests.journeys.conftest import PROXY_NETWORK
from tests.journeys.processes.installation import EXPORT, Installation, refreshed, wait_until
from tests.ports import free_port
from tests.world import HOME_ADDRESS, KICK_OFF_HEADERS

pytestmark = pytest.mark.journey

MAX_CONNECTIONS = 60
CLIENTS, EXPORTS = 100, 10
WORKER_PROCESSES = 4
PATIENCE_SECONDS = 120


@dataclass
class Polls:
    """What the clients were answered."""

    statuses: collections.Counter[int] = field(default_factory=collections.Counter)
    not_ready: list[httpx.Response] = field(default_factory=list)  # 503
    completed: int = 0

    def note(self, answer: httpx.Response) -> httpx.Response:
        self.statuses[answer.status_code] += 1
        if answer.status_code == 503:
            self.not_ready.append(answer)
        return answer


@pytest.fixture
def small_site(django_db_setup, django_db_blocker, transactional_db) -> Iterator[Installation]:
    """An installation whose PostgreSQL lets few connections in, also after it was restarted."""
    with (
        tempfile.TemporaryDirectory(prefix="cg-") as name,
        mock.patch.dict(embedded_postgres.OPTIONS, max_connections=str(MAX_CONNECTIONS)),
    ):
        folder = Path(name)
        folder.chmod(0o755)
        it = Installation(
            folder, port=free_port(), proxies=PROXY_NETWORK, settings="tests.journeys.processes.impatient"
        )
        with it.running(), it.as_database():
            yield it


def test_two_nodes_and_a_hundred_clients_fit_into_sixty_connections_and_outlive_a_restart(small_site):
    site = small_site
    nodes = [f"http://localhost:{site.port}", site.start_another_server()]
    clients = [site.world.api_client(name=f"Client {number}") for number in range(CLIENTS)]
    workers = [site.start_worker(pace=0.5, concurrency=WORKER_PROCESSES) for _ in range(2)]
    polls, jobs = Polls(), []

    async def disturb() -> None:
        """What happens to the installation while the clients poll."""
        await when(lambda: polls.statuses[202] >= 2 * CLIENTS, "all have polled")
        await when(lambda: all(worker.is_copying for worker in workers), "the workers are at work")
        before, polls.statuses = polls.statuses, collections.Counter()
        assert set(before) == {200, 202}, before
        assert await asyncio.to_thread(count_connections) <= MAX_CONNECTIONS - 4
        await asyncio.to_thread(site.stop_postgres, "fast")
        await when(lambda: polls.statuses[503] >= CLIENTS / 2, "the clients have noticed")
        await asyncio.to_thread(site.start_services)
        for worker in workers:
            worker.set_pace(0)

    async def run() -> None:
        # No connection is kept: the server may close one at the very moment that a client uses it again.
        headers = {"X-Forwarded-For": HOME_ADDRESS, "Connection": "close"}
        async with httpx.AsyncClient(timeout=60, headers=headers) as http:
            tokens = await asyncio.gather(
                *(token(http, node, api, polls) for node, api in zip(itertools.cycle(nodes), clients))
            )
            kicked_off = [await kick_off(http, nodes[n % 2], tokens[n], polls) for n in range(EXPORTS)]
            jobs.extend(int(url.rpartition("/")[2]) for url in kicked_off)
            polling = [
                poll(http, f"{nodes[n % 2]}/api/v2/jobs/{jobs[n % EXPORTS]}", tokens[n], polls) for n in range(CLIENTS)
            ]
            await asyncio.wait_for(asyncio.gather(disturb(), *polling), PATIENCE_SECONDS)

    asyncio.run(run())
    connections.close_all()  # this thread's has not outlived the restart

    assert set(polls.statuses) == {200, 202, 503}, polls.statuses
    assert polls.completed == CLIENTS
    for answer in polls.not_ready:
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.headers["Content-Type"] == "application/fhir+json"
        assert answer.json()["issue"][0]["code"] == "transient"
    for job in site.world.harbor.jobs.filter(pk__in=jobs):
        site.check_undisturbed(refreshed(job))
    # A quiet installation gives back what it does not need.
    site.end_workers()
    wait_until(lambda: count_connections() <= 16, "the servers close most of theirs", within=60)


async def when(holds: Callable[[], bool], what: str) -> None:
    await asyncio.to_thread(wait_until, holds, what)


async def token(http: httpx.AsyncClient, node: str, api, polls: Polls) -> str:
    answer = polls.note(await http.post(f"{node}/auth/token", auth=(api.client.client_id, api.secret), content=b""))
    return answer.json()["access_token"]


async def kick_off(http: httpx.AsyncClient, node: str, bearer: str, polls: Polls) -> str:
    headers = {**KICK_OFF_HEADERS, "Authorization": f"Bearer {bearer}"}
    return polls.note(await http.get(f"{node}{EXPORT}", headers=headers)).headers["Content-Location"]


async def poll(http: httpx.AsyncClient, url: str, bearer: str, polls: Polls) -> None:
    """As a client that obeys Retry-After, until its export is there."""
    while True:
        answer = polls.note(await http.get(url, headers={"Authorization": f"Bearer {bearer}"}))
        if answer.status_code == 200:
            polls.completed += 1
            return
        await asyncio.sleep(int(answer.headers.get("Retry-After", 1)))


def count_connections() -> int:
    """How many connections PostgreSQL has, this one included."""
    with psycopg.connect(**connection.get_connection_params()) as it:
        counted = it.execute("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'").fetchone()
    return int(counted[0])
