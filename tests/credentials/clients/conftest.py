import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.credentials.clients.key_server import KeyServer, make_authority
from tests.credentials.clients.key_sets import ONE_KEY


@pytest.fixture
def pems(tmp_path) -> tuple[Path, Path]:
    return make_authority(tmp_path)


@pytest.fixture
def server(pems, monkeypatch) -> Iterator[KeyServer]:
    """An HTTPS server on this machine, whose authority the system trusts."""
    trusted, used = pems
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    it = KeyServer(used)
    it.body = ONE_KEY
    yield it
    it.stop()


@pytest.fixture
def names(monkeypatch) -> dict[str, list[list[str]]]:
    """What the domain name system answers, lookup by lookup; the last answer stays. Everything else is as it is."""
    answers: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def getaddrinfo(host, port, *args, **kwargs):
        if host not in answers:
            return real(host, port, *args, **kwargs)
        found = answers[host].pop(0) if len(answers[host]) > 1 else answers[host][0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return answers
