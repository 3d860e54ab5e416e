"""A key set at a client's URL, at the token endpoint: how long it is kept, and how seldom it is fetched."""

import json
from collections.abc import Iterator
from unittest.mock import Mock

import pytest
from django.core.cache import cache
from django.db import connection
from redis.exceptions import ConnectionError as RedisConnectionError

from credentials.actor import Actor
from credentials.clients import jwks, revocation
from credentials.clients.key_registration import add_keys, revoke_key, set_key_set_url
from credentials.models import AccessToken, AuditEvent, ClientKey, ClientKeySet, Organization
from credentials.trail.audit import Action
from tests.credentials.at_once import CALLERS, at_once
from tests.credentials.clients.key_server import KeyServer
from tests.credentials.tokens.signing import Signer, by_hand, ec_key, jwk, key_set, private_jwk, rsa_key
from tests.world import World


@pytest.fixture
def server() -> Iterator[KeyServer]:
    it = KeyServer()
    it.body = key_set(jwk(ec_key(), "first"), jwk(rsa_key(), "second"))
    yield it
    it.stop()


def with_key_set(world: World, server: KeyServer) -> Signer:
    """A client of a sandbox, which may publish its keys on this machine."""
    cache.clear()
    Organization.objects.filter(pk=world.harbor.pk).update(is_sandbox=True)
    world.harbor.refresh_from_db()
    client = world.api_client(name="With a key set").client
    set_key_set_url(client, server.url("127.0.0.1"), by=Actor())
    return Signer(client)


@pytest.fixture
def signer(world, server) -> Signer:
    return with_key_set(world, server)


def pass_time(signer: Signer, seconds: int) -> None:
    """As if so much time had passed since the key set was fetched."""
    name = f"credentials.jwks.{signer.client.key_sets.live().get().pk}"
    kept = cache.get(name)
    kept["fresh_until"] -= seconds
    cache.set(name, kept)
    if seconds >= jwks.APART:
        cache.delete(f"{name}.turn")


def refusals() -> list[str]:
    events = AuditEvent.objects.filter(action=Action.TOKEN_REFUSED).order_by("id")
    return [event.detail["reason"] for event in events]


def explanation() -> str:
    return str(AuditEvent.objects.filter(action=Action.TOKEN_REFUSED).latest("id").detail["explanation"])


def test_an_assertion_is_verified_with_a_key_from_the_clients_url(signer, server):
    answer = signer.ask_for_token()

    assert answer.status_code == 200
    assert server.requests == ["/jwks.json"]
    token, key_set_of_client = AccessToken.objects.get(), ClientKeySet.objects.get()
    assert (token.secret, token.key, token.key_set) == (None, None, key_set_of_client)
    assert key_set_of_client.last_used_at is not None
    assert signer.get("/api/v2/jobs/1", answer.json()["access_token"]).status_code == 404


def test_the_url_in_the_header_is_fine_when_it_is_the_registered_one(signer, server):
    assert signer.ask_for_token(signer.assertion(header={"jku": server.url("127.0.0.1")})).status_code == 200
    assert signer.ask_for_token(signer.assertion(header={"jku": server.url("localhost")})).status_code == 401
    assert refusals() == ["key_set_not_registered"]
    assert server.requests == ["/jwks.json"]


def test_keys_by_hand_and_a_url_go_together(signer, server):
    by_hand = Signer(signer.client, ec_key(number=2), kid="by hand").register()

    assert by_hand.ask_for_token().status_code == 200
    assert server.requests == []
    assert signer.ask_for_token().status_code == 200


def test_a_key_that_was_revoked_does_not_come_back_through_the_url(signer, server):
    (key,) = add_keys(signer.client, json.dumps(jwk(ec_key(), "first")), name="The same", by=Actor())
    revoke_key(key, by=Actor())

    answer = signer.ask_for_token()

    assert answer.status_code == 401
    assert refusals() == ["key_revoked"]
    assert server.requests == []


# --- How long it is kept ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("control", "seconds"),
    [(None, 300), ("max-age=60", 60), ("max-age=86400", 3600), ("no-store", 10), ("max-age=0", 10)],
)
def test_it_is_kept_as_long_as_its_server_says_and_for_an_hour_at_most(signer, server, control, seconds):
    server.headers = {"Cache-Control": control} if control else {}
    signer.ask_for_token()

    pass_time(signer, seconds - 2)
    signer.ask_for_token()
    before = len(server.requests)
    pass_time(signer, 10)
    signer.ask_for_token()

    assert (before, len(server.requests)) == (1, 2)
    assert AccessToken.objects.count() == 3


def test_a_key_that_is_no_longer_published_is_no_longer_trusted(signer, server):
    signer.ask_for_token()
    server.body = key_set(jwk(ec_key(number=3), "third"))
    pass_time(signer, 301)

    answer = signer.ask_for_token()

    assert answer.status_code == 401
    assert refusals() == ["key_unknown"]


# --- New keys ---------------------------------------------------------------------------------------------------------


def test_a_new_key_works_without_a_new_registration(signer, server):
    signer.ask_for_token()
    server.body = key_set(jwk(ec_key(), "first"), jwk(ec_key(number=3), "third"))
    pass_time(signer, jwks.APART)
    rotated = Signer(signer.client, ec_key(number=3), kid="third")

    answer = rotated.ask_for_token()

    assert answer.status_code == 200
    assert len(server.requests) == 2
    rotated.ask_for_token()
    assert len(server.requests) == 2


def test_unknown_key_ids_do_not_make_us_knock_more_often(signer, server):
    signer.ask_for_token()

    answers = [Signer(signer.client, ec_key(), kid=f"made up {number}").ask_for_token() for number in range(5)]

    assert {answer.status_code for answer in answers} == {401}
    assert refusals() == ["key_unknown"]  # one event of a minute's calls
    assert len(server.requests) == 1


def test_a_stranger_who_makes_us_ask_at_a_bad_moment_does_not_cost_the_keys_that_we_have(signer, server):
    signer.ask_for_token()
    server.status = 503
    pass_time(signer, jwks.APART)

    stranger = Signer(signer.client, ec_key(), kid="made up").ask_for_token()

    assert stranger.status_code == 401
    assert len(server.requests) == 2
    assert signer.ask_for_token().status_code == 200


# --- When it cannot be had --------------------------------------------------------------------------------------------


def test_a_key_set_that_cannot_be_had_is_told_to_the_delegate_and_to_nobody_else(signer, server):
    server.status = 503

    answer = signer.ask_for_token()

    assert answer.status_code == 401
    assert answer.json() == {"error": "invalid_client"}
    assert refusals() == ["key_set_unavailable"]
    assert "status 503" in explanation()
    assert not AccessToken.objects.exists()


def test_a_server_in_trouble_is_asked_again_after_a_while_and_not_before(signer, server):
    server.status = 503
    for _ in range(5):
        signer.ask_for_token()
    in_trouble = len(server.requests)
    server.status = 200
    pass_time(signer, jwks.APART)

    answer = signer.ask_for_token()

    assert (in_trouble, len(server.requests), answer.status_code) == (1, 2, 200)


@pytest.mark.parametrize(
    ("body", "reason", "words"),
    [
        ("hello", "key_set_unavailable", "JWK Set"),
        (key_set(private_jwk(ec_key(), "first")), "key_set_unavailable", "private key"),
        (key_set(jwk(rsa_key(1024), "first")), "key_unknown", "no key"),  # an RSA key has no ES384
        (key_set(jwk(ec_key(), "first"), jwk(ec_key(number=2), "first")), "key_unknown", "no key"),
        (key_set(jwk(ec_key(), "first", use="enc")), "key_refused", "signatures"),
        (key_set(jwk(ec_key(), "first", alg="ES256")), "key_refused", "ES384"),
        (key_set({"kty": "EC", "kid": "first"}), "key_refused", "type of key is not supported"),
    ],
)
def test_a_key_that_is_not_right_is_told_to_the_delegate(signer, server, body, reason, words):
    server.body = body

    answer = signer.ask_for_token()

    assert answer.json() == {"error": "invalid_client"}
    assert refusals() == [reason]
    assert words in explanation()


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")  # it is insecure on purpose
def test_a_published_rsa_key_of_1024_bits_is_refused(signer, server):
    server.body = key_set(jwk(rsa_key(1024), "first"))

    answer = Signer(signer.client, rsa_key(1024)).ask_for_token()

    assert answer.json() == {"error": "invalid_client"}
    assert refusals() == ["key_refused"]
    assert "1024 bits" in explanation()


# --- For whom nothing is fetched --------------------------------------------------------------------------------------


def test_nothing_is_fetched_for_a_revoked_client(signer, server):
    revocation.revoke_client(signer.client, by=Actor())

    answer = signer.ask_for_token()

    assert answer.json() == {"error": "invalid_client"}
    assert refusals() == ["client_revoked"]
    assert server.requests == []


def test_nothing_is_fetched_for_a_denied_organization(world, signer, server):
    Organization.objects.filter(pk=world.harbor.pk).update(status=Organization.Status.DENIED)

    answer = signer.ask_for_token()

    assert answer.json() == {"error": "invalid_client"}
    assert refusals() == ["organization_denied"]
    assert server.requests == []


def test_an_organization_that_is_no_sandbox_any_more_is_not_served_from_this_machine(world, signer, server):
    Organization.objects.filter(pk=world.harbor.pk).update(is_sandbox=False)

    answer = signer.ask_for_token()

    assert answer.json() == {"error": "invalid_client"}
    assert refusals() == ["key_set_unavailable"]
    assert server.requests == []


def test_outside_the_embedded_mode_not_even_a_sandbox_is_served_from_this_machine(signer, server, settings):
    settings.ALLOW_LOOPBACK_FOR_SANDBOX = False

    answer = signer.ask_for_token()

    assert answer.json() == {"error": "invalid_client"}
    assert server.requests == []


@pytest.mark.parametrize("algorithm", ["none", "HS384", "RS256", "ES256", "", None, 7, ["ES384"], {"ES384": 1}])
def test_nothing_is_fetched_for_an_algorithm_that_is_not_taken(signer, server, algorithm):
    header = {"typ": "JWT", "kid": signer.kid, "alg": algorithm}

    answer = signer.ask_for_token(by_hand(header, signer.claims(), b"x" * 96))

    assert answer.json() == {"error": "invalid_client"}
    assert refusals() == ["algorithm_not_allowed"]
    assert server.requests == []


@pytest.mark.parametrize("jku", ["http://169.254.169.254/latest/meta-data", "file:///etc/passwd", 7, None, ""])
def test_a_url_in_the_header_is_never_called_by_itself(signer, server, jku):
    answer = signer.ask_for_token(signer.assertion(header={"jku": jku}))

    assert answer.json() == {"error": "invalid_client"}
    assert refusals() == ["key_set_not_registered"]
    assert server.requests == []


# --- Many at once -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_many_callers_at_once_make_us_fetch_once_and_hold_no_transaction_meanwhile(server):
    signer = with_key_set(World(), server)
    signers = [Signer(signer.client) for _ in range(CALLERS)]
    transactions: list[int] = []

    def look_and_answer(handler) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE state = 'idle in transaction' AND datname = current_database()"
            )
            transactions.append(cursor.fetchone()[0])
        connection.close()
        body = key_set(jwk(ec_key(), "first")).encode()
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    server.behaviour = look_and_answer

    answers = at_once(lambda number: signers[number].ask_for_token())

    assert [answer.status_code for answer in answers] == [200] * CALLERS
    assert server.requests == ["/jwks.json"]
    assert transactions == [0]


def test_without_the_cache_nothing_is_fetched_and_nothing_breaks(signer, server, monkeypatch):
    monkeypatch.setattr(jwks.cache, "get", Mock(side_effect=RedisConnectionError("away")))

    answer = signer.ask_for_token()

    assert answer.json() == {"error": "invalid_client"}
    assert refusals() == ["key_set_unavailable"]
    assert "cache" in explanation()
    assert server.requests == []


def test_a_fetch_whose_process_died_is_not_waited_for_without_end(signer, server, monkeypatch):
    monkeypatch.setattr(jwks, "TIME_LIMIT", 0.2)
    cache.set(f"credentials.jwks.{ClientKeySet.objects.get().pk}.turn", "fetching", jwks.APART)

    answer = signer.ask_for_token()

    assert answer.json() == {"error": "invalid_client"}
    assert "being fetched right now" in explanation()
    assert server.requests == []


def test_the_keys_of_one_client_are_not_those_of_another_with_the_same_server(world, signer, server):
    signer.ask_for_token()
    elsewhere = KeyServer()
    elsewhere.body = key_set(jwk(ec_key(number=2), "first"))
    set_key_set_url(signer.client, elsewhere.url("127.0.0.1"), by=Actor())

    old = signer.ask_for_token()
    new = Signer(signer.client, ec_key(number=2)).ask_for_token()

    elsewhere.stop()
    assert (old.status_code, new.status_code) == (401, 200)
    assert not ClientKey.objects.exists()
