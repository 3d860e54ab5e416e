"""Fetching a key set: real servers, good and bad."""

import contextlib
import gzip
import json
import socket
import threading
import time

import pytest

from credentials.clients import jwks
from credentials.clients.jwks import KeySetUnavailableError
from tests.credentials.clients.key_server import KeyServer
from tests.credentials.clients.key_sets import HERE, ONE_KEY, assert_unavailable
from tests.credentials.tokens.signing import ec_key, jwk, key_set, private_jwk, rsa_key

MEGABYTE = 2**20


@pytest.fixture
def short_patience(monkeypatch) -> float:
    monkeypatch.setattr(jwks, "TIME_LIMIT", 0.5)
    return 0.5


# --- As it should be --------------------------------------------------------------------------------------------------


def test_a_key_set_is_fetched_over_https(server):
    fetched = jwks.fetch(server.url(path="/keys/jwks.json?of=us"), HERE)

    assert [key["kid"] for key in fetched.jwks] == ["first"]
    assert server.requests == ["/keys/jwks.json?of=us"]
    assert server.heard[0]["host"] == f"localhost:{server.port}"
    assert server.heard[0]["accept"] == "application/json"
    assert not {"authorization", "cookie"} & server.heard[0].keys()


def test_the_demos_clients_may_publish_over_http_on_this_machine():
    server = KeyServer()
    server.body = ONE_KEY

    fetched = jwks.fetch(server.url("127.0.0.1"), HERE)

    server.stop()
    assert len(fetched.jwks) == 1


@pytest.mark.parametrize(
    ("headers", "max_age"),
    [
        ({}, None),
        ({"Cache-Control": "public"}, None),
        ({"Cache-Control": "public, max-age=60"}, 60),
        ({"Cache-Control": 'Max-Age="60"'}, 60),
        ({"Cache-Control": "max-age=60", "Age": "45"}, 15),
        ({"Cache-Control": "max-age=60", "Age": "100"}, 0),
        ({"Cache-Control": "max-age=60", "Age": "old"}, 60),
        ({"Cache-Control": "max-age=0"}, 0),
        ({"Cache-Control": "no-store"}, 0),
        ({"Cache-Control": "max-age=60, no-cache"}, 0),
    ],
)
def test_what_the_server_says_of_keeping_is_read(server, headers, max_age):
    server.headers = headers

    assert jwks.fetch(server.url(), HERE).max_age == max_age


# --- Whom we do not believe -------------------------------------------------------------------------------------------


def test_an_unknown_authority_is_not_trusted(server, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")

    assert_unavailable(server.url(), HERE, "certificate")

    assert server.requests == []


def test_the_certificate_has_to_be_for_the_host(server, names):
    names["other.example"] = [["127.0.0.1"]]

    assert_unavailable(server.url("other.example"), HERE, "Hostname mismatch")

    assert server.requests == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"\xff\xfe",
        b"7",
        b"[]",
        b'{"keys": {}}',
        b'{"keys": []}',
        b'{"keys": [1]}',
        b'{"keys": [' + b"[" * 50_000,
        b'{"keys":' * 8_000,
        b'{"a": 1' + b"0" * 60_000 + b"}",
        gzip.compress(ONE_KEY.encode()),
    ],
)
def test_what_is_no_key_set_is_refused(server, body):
    server.body = body

    assert_unavailable(server.url(), HERE, "JWK Set")


def test_a_set_of_a_thousand_keys_is_refused(server):
    server.body = json.dumps({"keys": [{"kid": str(number)} for number in range(1000)]})

    assert_unavailable(server.url(), HERE, "1000 keys")


def test_a_set_with_a_private_key_is_refused_and_the_delegate_is_warned(server):
    server.body = key_set(jwk(rsa_key(), "first"), private_jwk(ec_key(), "second"))

    assert_unavailable(server.url(), HERE, "private key")


@pytest.mark.parametrize("status", [204, 206, 304, 401, 404, 500])
def test_only_200_is_an_answer(server, status):
    server.status = status

    assert_unavailable(server.url(), HERE, f"status {status}")


# --- Who keeps us -----------------------------------------------------------------------------------------------------


def test_a_set_of_50_megabytes_is_left_after_64_kilobytes(server):
    sent: list[int] = []
    done = threading.Event()

    def flood(handler) -> None:
        with contextlib.suppress(OSError):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            for _ in range(50):
                handler.wfile.write(b" " * MEGABYTE)
                sent.append(MEGABYTE)
        done.set()

    server.behaviour = flood

    assert_unavailable(server.url(), HERE, "65,536 bytes")

    assert done.wait(10)
    assert sum(sent) < 20 * MEGABYTE  # what fits into the buffers on the way


def test_a_length_that_is_only_claimed_is_not_believed(server):
    server.headers = {"Content-Length": "17"}  # a second one; the body is longer than both
    server.body = b" " * (70 * 1024)

    with pytest.raises(KeySetUnavailableError):
        jwks.fetch(server.url(), HERE)


@pytest.mark.parametrize(
    "beginning", [b"", b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 100 Go on\r\n\r\n"]
)
def test_a_server_that_sends_a_byte_now_and_then_is_left(server, short_patience, beginning):
    left = threading.Event()

    def dribble(handler) -> None:
        with contextlib.suppress(OSError):
            handler.wfile.write(beginning)
            for _ in range(250):
                handler.wfile.write(b"a")
                if left.wait(0.02):
                    break

    server.behaviour = dribble
    began = time.monotonic()

    assert_unavailable(server.url(), HERE, "did not answer within")

    left.set()
    assert time.monotonic() - began < short_patience + 2


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_accepts_and_says_nothing_is_left(short_patience, scheme):
    began = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert_unavailable(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/", HERE, "did not answer within")

    assert time.monotonic() - began < short_patience + 2


def test_names_that_take_for_ever_to_look_up_are_left(short_patience, monkeypatch):
    answer = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer.wait(30) and [])
    began = time.monotonic()

    assert_unavailable("https://keys.example/", jwks.STRICT, "did not answer within")

    answer.set()
    assert time.monotonic() - began < short_patience + 2


def test_a_server_that_is_not_there_is_a_refusal_not_an_accident():
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]

    assert_unavailable(f"https://127.0.0.1:{port}/", HERE, "failed")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\x01\x02",
        b"HTTP/1.1 200\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_a_server_that_speaks_no_http_is_a_refusal_not_an_accident(server, answer):
    server.behaviour = lambda handler: handler.wfile.write(answer)

    with pytest.raises(KeySetUnavailableError):
        jwks.fetch(server.url(), HERE)
