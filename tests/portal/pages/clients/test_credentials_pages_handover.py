"""Between the form and the page that shows it, a secret lies where nobody could use it."""

import re
from types import SimpleNamespace

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client as Browser

from credentials.models import Client
from portal.pages.clients import handover

CREDENTIALS = "/organizations/A9994/credentials"
SECRET = re.compile(r"cgs_[0-9a-f]{64}")


@pytest.fixture
def answer(delegate):
    """The answer to the form: on its way to the page that shows the secret."""
    return delegate.post(f"{CREDENTIALS}/new", {"name": "Warehouse", "address_1": "8.8.8.8"})


@pytest.fixture
def place(delegate, answer) -> str:
    """Where in the cache it waits."""
    return handover._place(SimpleNamespace(session=delegate.session), Client.objects.get())


def test_the_cache_holds_nothing_that_could_be_read(delegate, answer, place):
    held = cache.get(place)

    secret = SECRET.search(delegate.get(answer["Location"]).content.decode())[0]
    assert secret.encode() not in held
    assert bytes.fromhex(secret[4:]) not in held


def test_no_table_of_the_database_holds_it(delegate, answer):
    secret = SECRET.search(delegate.get(answer["Location"]).content.decode())[0]

    tables = [_text_of(name) for name in connection.introspection.table_names()]
    assert any("Warehouse" in table for table in tables)
    assert not any(secret in table or secret[4:] in table for table in tables)


def test_the_key_goes_to_that_page_alone_out_of_reach_of_scripts_for_five_minutes(answer):
    cookie = answer.cookies[handover.COOKIE]

    assert cookie["path"] == answer["Location"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"
    assert cookie["max-age"] == 300
    assert not SECRET.search(cookie.value)


@pytest.mark.usefixtures("_outside_the_embedded_mode")
def test_the_key_travels_encrypted_only(answer):
    assert answer.cookies[handover.COOKIE]["secure"]


@pytest.fixture
def _outside_the_embedded_mode(settings):
    settings.SESSION_COOKIE_SECURE = True


def test_what_waits_ends_after_five_minutes(place):
    assert 0 < cache._cache.get_client().ttl(cache.make_key(place)) <= 300


def test_the_session_without_the_key_is_not_shown_the_secret_and_does_not_use_it_up(delegate, answer, world):
    thief = Browser(REMOTE_ADDR="8.8.4.4")
    thief.cookies["claimsgate_session"] = delegate.cookies["claimsgate_session"].value

    stolen = thief.get(answer["Location"])

    assert stolen.status_code == 200
    assert not SECRET.search(stolen.content.decode())
    assert SECRET.search(delegate.get(answer["Location"]).content.decode())


def test_the_key_without_the_session_opens_nothing(browse, world, delegate, answer):
    elsewhere = browse(world.delegate)
    elsewhere.cookies[handover.COOKIE] = answer.cookies[handover.COOKIE].value

    assert not SECRET.search(elsewhere.get(answer["Location"]).content.decode())


@pytest.mark.parametrize("key", ["", "zz", "00" * 32, "é" * 64, "0" * 5000])
def test_a_wrong_key_opens_nothing_and_breaks_nothing(delegate, answer, key):
    delegate.cookies[handover.COOKIE] = key

    response = delegate.get(answer["Location"])

    assert response.status_code == 200
    assert not SECRET.search(response.content.decode())


def test_what_was_changed_in_the_cache_is_not_shown(delegate, answer, place):
    held = cache.get(place)
    cache.set(place, held[:-1] + bytes([held[-1] ^ 1]))

    assert not SECRET.search(delegate.get(answer["Location"]).content.decode())


def test_once_shown_the_key_is_taken_back(delegate, answer):
    shown = delegate.get(answer["Location"])

    cookie = shown.cookies[handover.COOKIE]
    assert cookie.value == ""
    assert cookie["path"] == answer["Location"]
    assert cookie["max-age"] == 0


def test_whoever_kept_the_key_is_not_shown_the_secret_again(delegate, answer):
    key = answer.cookies[handover.COOKIE].value
    delegate.get(answer["Location"])

    delegate.cookies[handover.COOKIE] = key

    assert not SECRET.search(delegate.get(answer["Location"]).content.decode())


def test_two_secrets_on_their_way_at_once_both_arrive(delegate):
    keys_of = {}
    for name in ("A", "B"):
        answer = delegate.post(f"{CREDENTIALS}/new", {"name": name, "address_1": "8.8.8.8"})
        keys_of[answer["Location"]] = answer.cookies[handover.COOKIE].value

    shown = set()
    for page, key in keys_of.items():
        # A browser does so by itself: each cookie has the path of its page.
        delegate.cookies[handover.COOKIE] = key
        shown |= set(SECRET.findall(delegate.get(page).content.decode()))
    assert len(shown) == Client.objects.count() == 2


def _text_of(table: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT string_agg(t::text, ' ') FROM {connection.ops.quote_name(table)} t")
        return cursor.fetchone()[0] or ""
