"""A hundred clients call from one address, as those of a vendor do, and a stranger from the same."""

import asyncio
import collections

import httpx
import pytest

from credentials.models import Client
from tests.exports.store import fill
from tests.world import HOME_ADDRESS, KICK_OFF_HEADERS, ApiClient, World

pytestmark = pytest.mark.journey

CLIENTS, POLLS = 100, 3
# So few that the clients together would have used them up long before.
LIMITS = {
    "LIMIT_API_CALLS_PER_ADDRESS": "30",
    "LIMIT_FAILURES_PER_ADDRESS": "10",
    "LIMIT_TOKEN_CALLS_PER_ADDRESS": "30",
}
# The stranger goes on for a while after it has been turned away.
UNTIL_TURNED_AWAY = 40

Statuses = collections.Counter[int]


def test_clients_that_obey_are_not_limited_together_and_a_stranger_is(running_with):
    running = running_with(LIMITS, has_worker=False)
    world = World()
    world.roster(world.harbor, world.beneficiaries(1))
    fill(world)
    clients = [world.api_client(name=f"Client {number}") for number in range(CLIENTS)]
    of_clients, of_stranger = Statuses(), {"asking": Statuses(), "guessing": Statuses(), "forging": Statuses()}

    async def run() -> None:
        headers = {"X-Forwarded-For": HOME_ADDRESS, "Connection": "close"}
        async with httpx.AsyncClient(base_url=running.base_url, timeout=60, headers=headers) as http:
            tokens = [await token(http, api) for api in clients]
            started = await http.get("/api/v2/Group/all/$export", headers={**KICK_OFF_HEADERS, **bearer(tokens[0])})
            job_url = started.headers["Content-Location"]
            await asyncio.gather(
                *(poll(http, job_url, each, of_clients) for each in tokens),
                strange(http, of_stranger),
            )
            # The limits of the stranger are used up; the clients get new tokens all the same.
            await asyncio.gather(*(token(http, api) for api in clients[:20]))

    asyncio.run(run())

    assert of_clients == {202: CLIENTS * POLLS}
    assert of_stranger["asking"].keys() == {200, 429}
    assert of_stranger["guessing"].keys() == {401, 429}
    assert of_stranger["forging"].keys() == {401, 429}
    assert sum(statuses[429] for statuses in of_stranger.values()) > UNTIL_TURNED_AWAY


async def token(http: httpx.AsyncClient, api: ApiClient) -> str:
    answer = await http.post("/auth/token", auth=(str(api.client.client_id), api.secret), content=b"")
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def bearer(of_client: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {of_client}"}


async def poll(http: httpx.AsyncClient, url: str, of_client: str, statuses: Statuses) -> None:
    """As a client that does as Retry-After says."""
    patience = 0
    for _ in range(POLLS):
        await asyncio.sleep(patience)
        answer = await http.get(url, headers=bearer(of_client))
        statuses[answer.status_code] += 1
        patience = int(answer.headers.get("Retry-After", 1))


async def strange(http: httpx.AsyncClient, statuses: dict[str, Statuses]) -> None:
    """Someone at the same address who proves nothing."""
    nobody = str(Client(name="Nobody").client_id)
    for _ in range(UNTIL_TURNED_AWAY):
        statuses["asking"][(await http.get("/api/v2/metadata")).status_code] += 1
        guessed = await http.post("/auth/token", auth=(nobody, "cgs_" + "0" * 64), content=b"")
        statuses["guessing"][guessed.status_code] += 1
        forged = await http.get("/api/v2/jobs/1", headers=bearer("cgt_" + "0" * 64))
        statuses["forging"][forged.status_code] += 1
