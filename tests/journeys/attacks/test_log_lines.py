"""Whoever may send a request may not write a line of a log: one request is one line, in which nothing is invisible."""

import re
import socket
from pathlib import Path

import pytest

from portal.celery import app
from tests.journeys.processes.installation import wait_until

pytestmark = pytest.mark.journey

FORGED = "\nFAKE LINE\r\x1b[31m\u2028\u202e"
# The raw bytes of requests by which somebody could try.
REQUESTS = (
    b"GET /gunicorn%0aFAKE%20LINE%0d%1b%5b31m%e2%80%a8%e2%80%ae HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /api/v2/jobs/%0aFAKE%20LINE%1b HTTP/1.1\r\nHost: localhost\r\nUser-Agent: \x1b[31mFAKE\r\n\r\n",
    b"GET /api/v2/metadata HTTP/1.1\r\nHost: a\x1b[31mFAKE\r\nX-Request-Id: \x1b[31mFAKE\r\n\r\n",
    b"GET /sign-in?a=%0aFAKE HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: \x1b[31mFAKE\r\n\r\n",
    b"\x1b[31mFAKE /x HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /\x1b[31mFAKE HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /x HTTP/1.1\r\nHost: localhost\r\n\x1b[31mFAKE: x\r\n\r\n",
    b"GET /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: \x1b[31mFAKE\r\n\r\n",
)


def lines(log: Path, *, after: int) -> list[str]:
    return log.read_bytes()[after:].decode().split("\n")[:-1]


def test_no_request_forges_a_line(running):
    log = running.server.log
    before = log.stat().st_size

    for request in REQUESTS:
        with socket.create_connection(("localhost", running.port), timeout=30) as connection:
            connection.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            while connection.recv(65536):
                pass

    # One that is known to be logged, after all the others.
    with socket.create_connection(("localhost", running.port), timeout=30) as connection:
        connection.sendall(b"GET /the-last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        connection.recv(65536)
    told = (" /the-last 404 ", r"/gunicorn\n")
    wait_until(lambda: all(each in log.read_text() for each in told), "all is logged")
    written = lines(log, after=before)
    assert any(r"/gunicorn\nFAKE LINE\r\x1b[31m" in line for line in written)
    assert all(line.isprintable() for line in written)
    assert not [line for line in written if line.startswith(("FAKE", " FAKE"))]
    access = [line for line in written if re.match(r"\[\d\d/", line)]
    assert len([line for line in access if "/gunicorn" in line]) == 1


def test_no_message_forges_a_line_of_the_worker(running):
    """A task's name, its arguments and what its error says come from a message, which others may have sent."""
    log = running.worker.log
    wait_until(lambda: " ready." in log.read_text(), "the worker is ready", within=60)
    before = log.stat().st_size

    app.send_task(f"nothing{FORGED}", kwargs={"a": FORGED})
    app.send_task("exports.tasks.write", kwargs={f"an argument{FORGED}": FORGED})

    wait_until(lambda: "an argument" in log.read_bytes()[before:].decode(), "both are logged", within=30)
    written = lines(log, after=before)
    assert all(line.isprintable() for line in written)
    assert not [line for line in written if line.startswith("FAKE")]
