"""Attacks from outside, on real servers: assertions, and the keys that they are signed with."""

import base64
import contextlib
import hashlib
import hmac
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from credentials.actor import Actor
from credentials.clients.key_registration import set_key_set_url
from credentials.models import AccessToken, ClientKeySet
from credentials.trail.audit import Action
from tests.credentials.tokens.signing import Signer, by_hand, jwk, public_pem, rsa_key
from tests.journeys.attacks.site import MEGABYTE, memory_of, reasons
from tests.journeys.person import Person
from tests.world import HOME_ADDRESS

pytestmark = pytest.mark.journey


def test_a_forged_or_used_assertion_opens_nothing_on_any_node(site):
    signer = Signer(site.api.client, rsa_key()).register()
    nodes = [site.servers.first, site.servers.second]
    aud = f"{nodes[0]}/auth/token"
    # As behind a load balancer: whichever node answers, it was called by one name.
    headers = {"X-Forwarded-For": HOME_ADDRESS, "Host": urlsplit(nodes[0]).netloc}
    header = {"kid": signer.kid, "typ": "JWT"}
    claims = signer.claims(aud=aud)
    pem = public_pem(signer.key)
    forged = {
        "none": by_hand({**header, "alg": "none"}, claims),
        "None": by_hand({**header, "alg": "None"}, claims),
        "RS384 without a signature": by_hand({**header, "alg": "RS384"}, claims),
        "HMAC with the public key": _hmac_signed({**header, "alg": "HS384"}, claims, pem.encode()),
        "HMAC with the public key, no newline": _hmac_signed({**header, "alg": "HS384"}, claims, pem.strip().encode()),
        "a key of the attacker": signer.assertion(aud=aud, key=rsa_key(number=1)),
        "a key of the attacker in the header": signer.assertion(
            aud=aud, key=rsa_key(number=1), header={"jwk": jwk(rsa_key(number=1), "first")}
        ),
        "another kid": signer.assertion(aud=aud, header={"kid": "../../../dev/null"}),
        "a kid for the database": signer.assertion(aud=aud, header={"kid": "first' OR '1'='1"}),
        "made for another server": signer.assertion(aud="https://another.example/auth/token"),
        "made for several": signer.assertion(aud=[aud, "https://another.example/auth/token"]),
        "as another client": signer.assertion(aud=aud, iss="11111111-2222-3333-4444-555555555555"),
        "over": signer.assertion(aud=aud, exp=int(time.time()) - 60),
        "an hour long": signer.assertion(aud=aud, exp=int(time.time()) + 3600),
    }
    good = signer.assertion(aud=aud)

    def ask(node: str, assertion: str) -> httpx.Response:
        return httpx.post(f"{node}/auth/token", data=signer.form(assertion), headers=headers, timeout=60)

    before = AccessToken.objects.count()
    refused = {name: ask(node, assertion) for name, assertion in forged.items() for node in nodes}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda number: ask(nodes[number % 2], good), range(8)))
    afterwards = [ask(node, good).status_code for node in nodes]

    assert {name: answer.status_code for name, answer in refused.items() if answer.status_code != 401} == {}
    assert all(answer.json()["error"] == "invalid_client" for answer in refused.values())
    assert sorted(answer.status_code for answer in answers) == [200, *[401] * 7]
    assert afterwards == [401, 401]
    assert AccessToken.objects.count() == before + 1
    assert {reason for reason, _ in reasons(Action.TOKEN_REFUSED)} == {
        *("algorithm_not_allowed", "signature_wrong", "key_unknown", "assertion_audience", "assertion_subject"),
        *("assertion_expired", "assertion_long_lived", "assertion_replayed"),
    }


def _hmac_signed(header: dict, claims: dict, key: bytes) -> str:
    """What a library would sign that takes the public key for a secret; PyJWT refuses to."""
    signed = by_hand(header, claims).rpartition(".")[0]
    signature = hmac.new(key, signed.encode(), hashlib.sha384).digest()
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def test_no_key_set_url_makes_the_server_call_what_is_inside(site):
    signer = Signer(site.api.client)
    port = site.servers.keys.port
    hosts = (
        *("127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "0.0.0.0", "[::]", "127.1"),
        *("2130706433", "0x7f000001", "0177.0.0.1", "localhost.", "LOCALHOST", "user@127.0.0.1"),
        *("169.254.169.254", "[::ffff:169.254.169.254]", "[fe80::1]", "[fd00:ec2::254]", "10.0.0.1", "192.168.0.1"),
        *("[64:ff9b::7f00:1]", "[2002:7f00:1::]", "100.64.0.1"),
    )
    delegate = Person(site.running.base_url).signed_in_as(site.world.delegate)
    page = f"/organizations/A9994/credentials/{site.api.client.client_id}/keys/url"
    before = AccessToken.objects.count()

    for host in hosts:
        url = f"https://{host}:{port}/jwks.json"
        # At the form, most are refused at once …
        asked = delegate.send(page, url=url)
        assert asked.status_code in {302, 400}, url
        # … and those that got into the table all the same, as a name does that is pointed elsewhere later, at the call.
        ClientKeySet.objects.filter(client=site.api.client).delete()
        ClientKeySet.objects.create(client=site.api.client, url=url)
        answer = site.stranger.post(
            "/auth/token", data=signer.form(signer.assertion(aud=f"{site.running.base_url}/auth/token"))
        )
        assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"}), url

    assert site.servers.keys.requests == []
    assert AccessToken.objects.count() == before
    assert reasons(Action.TOKEN_REFUSED) == {("key_set_unavailable", HOME_ADDRESS)}


def test_a_key_set_of_50_megabytes_costs_neither_time_nor_memory(site):
    site.world.harbor.is_sandbox = True
    site.world.harbor.save()
    set_key_set_url(site.api.client, site.servers.keys.url(), by=Actor(user=site.world.delegate))
    signer = Signer(site.api.client)
    sent: list[int] = []
    done = threading.Event()

    def flood(handler) -> None:
        with contextlib.suppress(OSError):
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 52428800\r\n\r\n")
            for _ in range(50):
                handler.wfile.write(b" " * MEGABYTE)
                sent.append(MEGABYTE)
        done.set()

    site.servers.keys.behaviour = flood
    server = psutil.Process(site.running.server.pid)
    before = memory_of(server)

    answer = site.stranger.post(
        "/auth/token", data=signer.form(signer.assertion(aud=f"{site.running.base_url}/auth/token"))
    )

    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})
    assert memory_of(server) - before < 20 * MEGABYTE
    assert done.wait(60), (sent, site.servers.keys.requests)
    assert sum(sent) < 20 * MEGABYTE
    assert reasons(Action.TOKEN_REFUSED) == {("key_set_unavailable", HOME_ADDRESS)}
