import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from credentials.access.addresses import UNKNOWN
from credentials.access.middleware import ClientAddressMiddleware, client_address
from credentials.models import AuditEvent

PROXY, CDN, CLIENT, SPOOFED = "10.0.0.5", "192.0.2.77", "8.8.8.8", "9.9.9.9"


def seen(*, peer: str, forwarded_for: str | None = None, **headers: str) -> str:
    request = RequestFactory().get("/", REMOTE_ADDR=peer, headers=headers)
    if forwarded_for is not None:
        request.META["HTTP_X_FORWARDED_FOR"] = forwarded_for
    ClientAddressMiddleware(lambda _request: HttpResponse())(request)
    return client_address(request)


def test_without_proxies_the_peer_is_the_client_whatever_the_headers_say(settings):
    settings.TRUSTED_PROXIES = []
    spoofing = dict.fromkeys(("X-Real-Ip", "Forwarded", "X-Client-Ip", "Cf-Connecting-Ip", "True-Client-Ip"), SPOOFED)

    assert seen(peer=CLIENT, forwarded_for=SPOOFED, **spoofing) == CLIENT


def test_the_trusted_proxy_is_believed(settings):
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]

    assert seen(peer=PROXY, forwarded_for=CLIENT) == CLIENT


@pytest.mark.parametrize("forwarded_for", [f"{SPOOFED}, {CLIENT}", f"{SPOOFED}, 10.0.0.9, {CLIENT}", f"a, {CLIENT}"])
def test_what_the_client_wrote_itself_changes_nothing(settings, forwarded_for):
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]

    assert seen(peer=PROXY, forwarded_for=forwarded_for) != SPOOFED


def test_a_stranger_who_pretends_to_be_forwarded_is_seen_as_himself(settings):
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]

    assert seen(peer=CLIENT, forwarded_for=SPOOFED) == CLIENT


def test_a_chain_of_proxies_is_believed_only_when_it_is_whole(settings):
    settings.TRUSTED_PROXIES = ["192.0.2.0/24", "10.0.0.0/8"]

    assert seen(peer=PROXY, forwarded_for=f"{CLIENT}, {CDN}") == CLIENT
    assert seen(peer=PROXY, forwarded_for=f"{SPOOFED}, {CLIENT}, {CDN}") == CLIENT
    assert seen(peer=PROXY, forwarded_for=SPOOFED) == PROXY


def test_a_proxy_that_forwards_nothing_is_itself_the_client(settings):
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]

    assert seen(peer=PROXY) == PROXY
    assert seen(peer=PROXY, forwarded_for="") == PROXY
    assert seen(peer=PROXY, forwarded_for="  ") == PROXY


UNREADABLE = [
    *("unix:", "unknown", "_hidden", "-", "", " ", "a", "localhost", "8.8.8", "8.8.8.8.8", "256.8.8.8", "08.8.8.8"),
    *(
        "8.8.8.8/32",
        "8.8.8.8 9.9.9.9",
        "8.8.8.8;9.9.9.9",
        "8.8.8.8:",
        "8.8.8.8:x",
        "8.8.8.8:123456",
        "0x8.8.8.8",
        "134744072",
    ),
    *(
        '"8.8.8.8"',
        '"[2606:4700::1111]"',
        "[2606:4700::1111",
        "2606:4700::1111]:443",
        "[8.8.8.8]:443x",
        "[]:443",
        ":443",
    ),
    *(
        "2606:4700::1111%eth0",
        "fe80::1%",
        "fe80::1%eth0%eth1",
        "fe80::1%\x1b[31m",
        "for=8.8.8.8",
        "８.8.8.8",
        "8.8.8.8\x00",
    ),
]


@pytest.mark.parametrize("last", UNREADABLE)
@pytest.mark.parametrize(
    "claimed", [SPOOFED, f"{SPOOFED}, {SPOOFED}", "10.0.0.9", f"{SPOOFED}:1234", f"{SPOOFED}," * 5000]
)
def test_what_the_proxy_saw_cannot_be_read_so_nobody_knows_the_address(settings, claimed, last):
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]

    assert seen(peer=PROXY, forwarded_for=f"{claimed}, {last}") == UNKNOWN
    assert seen(peer=PROXY, forwarded_for=f"{claimed},{last}") == UNKNOWN


@pytest.mark.parametrize("hop", UNREADABLE)
def test_a_hop_that_cannot_be_read_breaks_the_chain(settings, hop):
    settings.TRUSTED_PROXIES = ["192.0.2.0/24", "10.0.0.0/8"]

    assert seen(peer=PROXY, forwarded_for=f"{SPOOFED}, {hop}") == PROXY
    assert seen(peer=PROXY, forwarded_for=f"{SPOOFED}, {hop}, {CDN}") == UNKNOWN


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("8.8.8.8:1234", "8.8.8.8"),
        ("2606:4700::1111", "2606:4700::1111"),
        ("[2606:4700::1111]:443", "2606:4700::1111"),
        ("[2606:4700:0:0::1111]", "2606:4700::1111"),
        ("::ffff:8.8.8.8", "8.8.8.8"),
        ("[::FFFF:8.8.8.8]:443", "8.8.8.8"),
        ("\t8.8.8.8 ", "8.8.8.8"),
        ("fe80::1%eth0", "fe80::1"),
    ],
)
def test_addresses_are_read_as_load_balancers_write_them(settings, written, address):
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]

    assert seen(peer=PROXY, forwarded_for=f"{SPOOFED}, {written}") == address
    assert seen(peer=PROXY, forwarded_for=written) == address


@pytest.mark.parametrize(("peer", "address"), [("fe80::1%eth0", "fe80::1"), ("", UNKNOWN), ("unix:", UNKNOWN)])
@pytest.mark.parametrize("proxies", [[], ["10.0.0.0/8"]])
def test_a_peer_of_ones_own_network_and_one_without_an_address_are_no_crash(settings, proxies, peer, address):
    settings.TRUSTED_PROXIES = proxies

    assert seen(peer=peer, forwarded_for=SPOOFED) == address


def test_a_proxy_on_the_same_cable_is_known_without_the_name_of_the_cable(settings):
    settings.TRUSTED_PROXIES = ["fe80::/10"]

    assert seen(peer="fe80::1%eth0", forwarded_for=f"{SPOOFED}, {CLIENT}") == CLIENT


@pytest.mark.parametrize("last", ["unix:", "unknown", "fe80::1%eth0", ""])
def test_a_stolen_secret_opens_nothing_for_a_caller_of_unknown_address(world, settings, last):
    """The caller writes an address of the allow list itself, in front of what the proxy says."""
    settings.TRUSTED_PROXIES = ["10.0.0.0/8"]
    api = world.api_client(addresses=[CLIENT])
    api.browser.defaults["REMOTE_ADDR"] = PROXY

    there = api.ask_for_token(**{"X-Forwarded-For": CLIENT})
    refused = api.ask_for_token(**{"X-Forwarded-For": f"{CLIENT}, {last}"})

    assert (there.status_code, refused.status_code) == (200, 403)
    assert AuditEvent.objects.latest("pk").detail["reason"] == "address_not_allowed"


def test_a_mapped_address_is_the_ipv4_address(settings):
    settings.TRUSTED_PROXIES = []

    assert seen(peer="::ffff:8.8.8.8") == "8.8.8.8"
