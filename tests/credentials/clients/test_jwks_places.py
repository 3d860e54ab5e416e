"""Fetching a key set: every place that must not be called."""

import socket

import pytest

from credentials.clients import jwks
from credentials.clients.jwks import KeySetUnavailableError
from tests.credentials.clients.key_server import KeyServer
from tests.credentials.clients.key_sets import HERE, assert_unavailable


@pytest.fixture
def calls(monkeypatch) -> list[str]:
    """The addresses that were called; nobody answers at any of them."""
    called: list[str] = []

    def create_connection(address, *args, **kwargs):
        called.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", create_connection)
    return called


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
