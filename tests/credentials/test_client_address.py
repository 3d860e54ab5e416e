import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from credentials.middleware import ClientAddressMiddleware, client_address

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
    assert seen(peer=PROXY, forwarded_for="not an address") == PROXY


def test_a_mapped_address_is_the_ipv4_address(settings):
    settings.TRUSTED_PROXIES = []

    assert seen(peer="::ffff:8.8.8.8") == "8.8.8.8"
