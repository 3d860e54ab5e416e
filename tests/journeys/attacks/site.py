"""A site under attack: nothing gets in, nothing is told, and what should be is written down."""

import httpx
import psutil

from credentials.models import AuditEvent
from credentials.trail.audit import Action
from exports.models import Job
from tests.credentials.clients.key_server import KeyServer
from tests.exports.finished import finished_job, lines, spliced
from tests.journeys.conftest import Running
from tests.world import HOME_ADDRESS, World

MEGABYTE = 2**20
STORED = spliced([lines(10)])


class Servers:
    """Two nodes behind a proxy, one without, and a client's own server of keys."""

    def __init__(self, running: Running, keys: KeyServer) -> None:
        self.running = running
        self.first = running.base_url
        self.second = running.start_another_server()
        self.bare = running.start_another_server({"TRUSTED_PROXIES": ""})
        self.keys = keys


class Site:
    """A finished job of each organization, and Harbor's client with a token."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers
        self.running = servers.running
        self.world = World()
        self.api = self.world.api_client().sign_in()
        self.jobs = {
            organization: finished_job(self.world.roster(organization, []), STORED)
            for organization in (self.world.harbor, self.world.mesa)
        }
        self.http = httpx.Client(
            base_url=servers.first,
            headers={"X-Forwarded-For": HOME_ADDRESS, "Authorization": f"Bearer {self.api.token}"},
            timeout=60,
        )
        self.stranger = httpx.Client(base_url=servers.first, headers={"X-Forwarded-For": HOME_ADDRESS}, timeout=60)

    def file_of(self, job: Job) -> str:
        return f"/data/{job.pk}/{job.files.get().name}"

    def log(self) -> str:
        return "".join(server.log.read_text() for server in (self.running.server, *self.running.others))


def reasons(action: Action) -> set[tuple[str, str | None]]:
    """What the audit trail says of those who were refused: why, and from where."""
    return {
        (event.detail["reason"], event.address)
        for event in AuditEvent.objects.filter(action=action, outcome=AuditEvent.Outcome.DENIED)
    }


def memory_of(process: psutil.Process) -> int:
    """Of a process and its children, in bytes."""
    return sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))
