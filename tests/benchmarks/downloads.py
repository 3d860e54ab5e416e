"""Fetching a file through Claimsgate, against nginx that serves the same file by itself."""

import contextlib
import os
import shutil
import socket
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.utils import timezone

from attribution.models import RosterFile
from credentials.actor import Actor
from credentials.clients.issuing import create_client
from credentials.models import Organization, User
from credentials.programs import SSP
from exports import storage
from exports.models import Job, OutputFile
from portal.laptop import processes
from tests.benchmarks.measuring import Figure, at_least, in_turn, ratio
from tests.exports.finished import add_file, finished_job
from tests.nginx import nginx
from tests.ports import free_port
from tests.world import HOME_ADDRESS

FILE_BYTES = 1 << 30  # as stored: large enough that the costs of a request do not show
BLOCK_BYTES = 1 << 20
LOOPBACK = "127.0.0.0/8"
# As the proxies before and behind would tell it.
FORWARDED_FOR = f"{HOME_ADDRESS}, 127.0.0.1"
BARE = "location /bare/ {{ alias {exports}/; }}"


def figures(folder: Path) -> Iterator[Figure]:
    """All figures of the group; `folder` holds what the processes write."""
    program = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if program is None:
        raise FileNotFoundError("These figures need nginx (Debian: apt-get install nginx-light).")
    folder = folder / f"downloads-{uuid.uuid4().hex[:8]}"
    exports = Path(settings.STORAGES["exports"]["OPTIONS"]["location"])
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        file = stack.enter_context(_stored_file())
        alone = stack.enter_context(_server(folder / "alone", {}))
        behind = stack.enter_context(_server(folder / "behind", {"EXPORTS_X_ACCEL_PREFIX": "/protected-exports/"}))
        proxy = stack.enter_context(
            nginx(
                program,
                folder / "nginx",
                upstream_port=urlsplit(behind).port or 0,
                exports=exports,
                has_tls=False,
                more=BARE.format(exports=exports),
            )
        )
        headers = {"Authorization": f"Bearer {_token(alone, file.job.organization)}", "Accept-Encoding": "gzip"}
        path = f"/data/{file.job_id}/{file.name}"
        times = in_turn(
            gunicorn=partial(_fetch, alone, path, {**headers, "X-Forwarded-For": FORWARDED_FOR}),
            x_accel=partial(_fetch, proxy.base_url, path, {**headers, "X-Forwarded-For": HOME_ADDRESS}),
            nginx=partial(_fetch, proxy.base_url, f"/bare/{file.job_id}/{file.name}", {}),
        )
    yield at_least("download from gunicorn, against nginx alone", ratio(times, "nginx", "gunicorn"), 0.7, times)
    yield at_least("download by X-Accel-Redirect, against nginx alone", ratio(times, "nginx", "x_accel"), 0.9)


@contextlib.contextmanager
def _stored_file() -> Iterator[OutputFile]:
    organization, _ = Organization.objects.get_or_create(
        entity_id="A8009", defaults={"name": "Bench downloads", **Organization.columns_of(SSP)}
    )
    now = timezone.now()
    roster = RosterFile.objects.create(
        organization=organization,
        kind=RosterFile.Kind.CURRENT,
        status=RosterFile.Status.PUBLISHED,
        file_name=f"bench-{uuid.uuid4()}",
        sha256=uuid.uuid4().hex * 2,
        performance_year=now.year,
        file_timestamp=now,
        published_at=now,
        beneficiary_count=0,
    )
    job = finished_job(roster)
    try:
        # Nobody looks into it: it is sent as it is stored.
        blocks = (os.urandom(BLOCK_BYTES) for _ in range(FILE_BYTES // BLOCK_BYTES))
        yield add_file(job, blocks, raw_length=FILE_BYTES)
    finally:
        storage.remove_all(job.pk)
        Job.objects.filter(pk=job.pk).update(status=Job.Status.EXPIRED, files_removed_at=timezone.now())


@contextlib.contextmanager
def _server(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """The base URL of a server of its own, behind two proxies."""
    port = free_port()
    base_url = f"http://localhost:{port}"
    server = processes.start_server(
        folder, port=port, environment={"TRUSTED_PROXIES": f"{LOOPBACK},{LOOPBACK}", **environment}
    )
    try:
        processes.wait_until_up(base_url, server)
        yield base_url
    finally:
        server.stop()


def _token(base_url: str, organization: Organization) -> str:
    user, _ = User.objects.get_or_create(email="bench@gate.example", defaults={"name": "Bench"})
    # What an earlier run has left stays in the audit trail, and so keeps its name.
    name = f"bench {uuid.uuid4().hex[:8]}"
    client, secret = create_client(organization=organization, name=name, addresses=[HOME_ADDRESS], by=Actor(user=user))
    answer = requests.post(
        f"{base_url}/auth/token",
        auth=(str(client.client_id), secret),
        headers={"X-Forwarded-For": FORWARDED_FOR},
        timeout=30,
    )
    answer.raise_for_status()
    return str(answer.json()["access_token"])


def _fetch(base_url: str, path: str, headers: dict[str, str]) -> None:
    """Read all of a file, with as little of a client as there can be."""
    url = urlsplit(base_url)
    head = "".join(f"{name}: {value}\r\n" for name, value in {"Host": "localhost", **headers}.items())
    with socket.create_connection((url.hostname, url.port)) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode())
        buffer = memoryview(bytearray(BLOCK_BYTES))
        count = received = connection.recv_into(buffer)
        status, _, _ = bytes(buffer[:received]).partition(b"\r\n")
        while count:
            count = connection.recv_into(buffer)
            received += count
    if b" 200 " not in status or received < FILE_BYTES:
        raise RuntimeError(f"{base_url}{path} sent {received} bytes after “{status.decode()}”.")
