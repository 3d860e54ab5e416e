"""Fetching a key set: real servers, good and bad, and every place that must not be called."""

import contextlib
import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from credentials.clients import jwks
from credentials.clients.jwks import KeySetUnavailableError, Policy
from tests.credentials.clients.key_server import KeyServer, make_authority
from tests.credentials.tokens.signing import ec_key, jwk, key_set, private_jwk, rsa_key

HERE = Policy(allows_loopback=True)
ONE_KEY = key_set(jwk(ec_key(), "first"))
MEGABYTE = 2**20


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
def short_patience(monkeypatch) -> float:
    monkeypatch.setattr(jwks, "TIME_LIMIT", 0.5)
    return 0.5


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


@pytest.fixture
def calls(monkeypatch) -> list[str]:
    """The addresses that were called; nobody answers at any of them."""
    called: list[str] = []

    def create_connection(address, *args, **kwargs):
        called.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", create_connection)
    return called


def assert_unavailable(url: str, policy: Policy, words: str) -> None:
    with pytest.raises(KeySetUnavailableError) as refused:
        jwks.fetch(url, policy)
    assert words in str(refused.value)


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


# --- Where we do not go -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://keys.example/jwks.json",
        "ftp://keys.example/jwks.json",
        "file:///etc/passwd",
        "gopher://keys.example:70/",
        "//keys.example/jwks.json",
        "keys.example/jwks.json",
        "https://",
        "https:///jwks.json",
        "https://keys.example:0/jwks.json",
        "https://keys.example:99999/jwks.json",
        "https://[::1/jwks.json",
        "https://user@keys.example/jwks.json",
        "https://user:word@keys.example/jwks.json",
        "https://keys.example/jwks.json#a",
        "https://keys.example/jwks json",
        "https://keys.example/\r\nHost: inside",
        "https://kéys.example/jwks.json",
        "https://keys.example/" + "a" * 500,
        "",
    ],
)
def test_a_url_of_another_kind_is_refused_before_anything_happens(url, calls):
    assert jwks.problem(url)
    with pytest.raises(KeySetUnavailableError):
        jwks.fetch(url)
    assert calls == []


@pytest.mark.parametrize(
    "url", ["https://keys.example", "https://keys.example:8443/a/b?c=d", "https://8.8.8.8/jwks.json"]
)
def test_an_ordinary_https_url_is_fine(url):
    assert jwks.problem(url) is None


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]"]
)
def test_this_machine_is_not_called(server, host):
    assert_unavailable(server.url(host), jwks.STRICT, "does not resolve to a public IP address")

    assert server.requests == []


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.100.100.200",  # the metadata of a cloud
        "169.254.169.254",  # of most clouds
        "192.0.0.192",  # of another
        "168.63.129.16",  # of one whose address looks public
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:10.1.2.3",
        "64:ff9b::7f00:1",
        "2002:7f00:1::1",  # 6to4
        "2001:0:7f00:1::",  # Teredo
        "fd00:ec2::254",  # the metadata of a cloud, over IPv6
        "fc00::1",
        "fe80::1",
        "fe80::1%lo",
        "fec0::1",
        "ff02::1",
        "nonsense",
    ],
)
def test_a_name_that_leads_inside_is_not_followed(names, calls, address):
    names["keys.example"] = [[address]]

    assert_unavailable("https://keys.example/jwks.json", jwks.STRICT, "does not resolve to a public IP address")

    assert calls == []


def test_the_answer_does_not_tell_names_inside_from_names_that_are_unknown(names):
    names["database.internal"], names["nothing.internal"] = [["10.0.0.5"]], [[]]

    with pytest.raises(KeySetUnavailableError) as inside:
        jwks.fetch("https://database.internal/")
    with pytest.raises(KeySetUnavailableError) as unknown:
        jwks.fetch("https://nothing.internal/")

    assert str(inside.value).replace("database", "nothing") == str(unknown.value)


def test_of_several_addresses_only_the_public_ones_are_called(names, calls):
    names["keys.example"] = [["127.0.0.1", "8.8.8.8", "169.254.169.254", "9.9.9.9"]]

    assert_unavailable("https://keys.example/jwks.json", jwks.STRICT, "failed")

    assert calls == ["8.8.8.8", "9.9.9.9"]


def test_the_name_is_looked_up_once_so_it_cannot_change_between_check_and_call(server, names, monkeypatch):
    names["keys.example"] = [["127.0.0.1"], ["10.0.0.5"]]
    called: list[str] = []
    real = socket.create_connection
    monkeypatch.setattr(socket, "create_connection", lambda to, **how: called.append(to[0]) or real(to, **how))

    fetched = jwks.fetch(server.url("keys.example"), HERE)

    assert len(fetched.jwks) == 1
    assert called == ["127.0.0.1"]
    assert names["keys.example"] == [["10.0.0.5"]]  # the second answer was never asked for
    assert server.heard[0]["host"] == f"keys.example:{server.port}"


def test_plain_http_goes_nowhere_but_to_this_machine(names, calls):
    names["keys.example"] = [["8.8.8.8"]]

    assert_unavailable("http://keys.example/jwks.json", HERE, "does not resolve to a public IP address")

    assert calls == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(server, status):
    elsewhere = KeyServer()
    server.status, server.headers = status, {"Location": elsewhere.url("127.0.0.1")}

    assert_unavailable(server.url(), HERE, f"status {status}")

    elsewhere.stop()
    assert elsewhere.requests == []


def test_proxies_of_the_environment_are_not_used(server, monkeypatch):
    proxy = KeyServer()
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url("127.0.0.1", path=""))

    jwks.fetch(server.url(), HERE)

    proxy.stop()
    assert (len(server.requests), proxy.requests) == (1, [])


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
