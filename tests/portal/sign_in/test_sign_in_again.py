"""Before anything delicate people show once more who they are, if the last time is more than ten minutes ago."""

import html
import re

import pytest
from allauth.account.adapter import DefaultAccountAdapter
from django.contrib import auth
from django.test import Client as Browser

from credentials.actor import Actor
from credentials.clients import issuing
from credentials.models import Client
from tests.authenticators import Passkey, code
from tests.portal.sign_in.second_step.factors import options_of, set_up_app, set_up_passkey
from tests.world import PASSWORD, sign_in

NEW = "/organizations/A9994/credentials/new"
TYPED = {"name": "Warehouse", "address_1": "8.8.8.8", "address_3": "9.9.9.9"}
ELEVEN_MINUTES = 11 * 60


@pytest.fixture
def sleepy(world) -> Browser:
    """The delegate, eleven minutes after signing in."""
    return sign_in(Browser(SERVER_NAME="localhost"), world.delegate, ago=ELEVEN_MINUTES)


def prove(browser: Browser, response) -> str:
    """Enter the password where one was led to; where one is led then."""
    page = browser.get(response["Location"]).content.decode()
    going_to = html.unescape(re.search(r'name="next" value="([^"]+)"', page)[1])
    return browser.post("/sign-in/again", {"password": PASSWORD, "next": going_to})["Location"]


def test_soon_after_signing_in_nothing_is_asked(delegate):
    assert delegate.get(NEW).status_code == 200
    assert delegate.post(NEW, TYPED).status_code == 302


def test_later_the_page_is_shown_after_the_password(sleepy):
    asked = sleepy.get(NEW)

    assert asked["Location"] == "/sign-in/again?next=%2Forganizations%2FA9994%2Fcredentials%2Fnew"
    assert prove(sleepy, asked) == NEW
    assert sleepy.get(NEW).status_code == 200


def test_a_way_that_allauth_alone_knows_is_not_offered(sleepy, monkeypatch):
    known = DefaultAccountAdapter.get_reauthentication_methods
    new = {"id": "reauthenticate_by_horoscope", "description": "Use your horoscope", "url": "/horoscope"}
    monkeypatch.setattr(
        DefaultAccountAdapter, "get_reauthentication_methods", lambda self, user: [new, *known(self, user)]
    )

    asked = sleepy.get(NEW)

    assert prove(sleepy, asked) == NEW


@pytest.mark.parametrize(
    "path", ["/account/second-step/app", "/account/second-step/passkeys/new", "/account/second-step/codes"]
)
def test_ones_own_second_steps_are_delicate_too(sleepy, path):
    assert sleepy.get(path)["Location"].startswith("/sign-in/again?next=")
    assert sleepy.post(path, {"code": "123456"})["Location"].startswith("/sign-in/again?next=")


@pytest.mark.parametrize(
    ("place", "typed"),
    [
        ("addresses", {"address_1": "9.9.9.9", "address_2": "1.1.1.1"}),
        ("keys/new", {"name": "Warehouse, 2026", "kid": "one"}),
        ("keys/url", {"url": "https://keys.example.org/jwks.json"}),
    ],
)
def test_who_may_call_and_with_which_keys_is_delicate_too(sleepy, world, read, place, typed):
    client = world.api_client().client
    path = f"/organizations/A9994/credentials/{client.client_id}/{place}"

    asked = sleepy.post(path, {**typed, "pasted": "-----BEGIN PRIVATE KEY----- 4711"})
    form = read(sleepy.get(prove(sleepy, asked)))

    assert [str(address) for address in client.addresses.all()] == ["8.8.8.8"]
    assert not client.keys.exists()
    assert not client.key_sets.exists()
    assert "your changes weren’t saved yet" in form.text
    assert [form.by_id[f"id_{name}"].get("value") for name in typed] == list(typed.values())
    assert "4711" not in form.text


def test_a_form_that_was_interrupted_comes_again_with_what_was_typed(sleepy, read):
    asked = sleepy.post(NEW, TYPED)
    before = Client.objects.count()
    form = sleepy.get(prove(sleepy, asked))

    page = read(form)
    assert before == 0
    assert "your changes weren’t saved yet" in page.text
    assert [page.by_id[f"id_{name}"].get("value") for name in TYPED] == list(TYPED.values())
    assert not Client.objects.exists()
    assert sleepy.post(NEW, TYPED).status_code == 302
    assert Client.objects.get().name == "Warehouse"


def test_only_what_the_form_asks_for_waits_in_the_session(sleepy):
    sleepy.post(NEW, {**TYPED, "password": "typed into a wrong page", "csrfmiddlewaretoken": "x" * 64})

    assert sleepy.session["kept_input"]["fields"] == TYPED


def test_what_was_typed_does_not_show_up_on_another_page(sleepy, world):
    sleepy.post(NEW, TYPED)
    sleepy.post("/sign-in/again", {"password": PASSWORD})

    page = sleepy.get("/account/second-step/passkeys/new").content.decode()

    assert "Warehouse" not in page


def test_a_new_secret_is_shown_only_after_it(sleepy, world, read):
    client, _ = issuing.create_client(
        organization=world.harbor, name="ETL", addresses=["8.8.8.8"], by=Actor(user=world.delegate)
    )

    response = sleepy.get(f"/organizations/A9994/credentials/{client.client_id}/secret")

    assert response["Location"].startswith("/sign-in/again?next=")


def test_a_wrong_password_leads_nowhere(sleepy, read):
    response = sleepy.post("/sign-in/again", {"password": "wrong", "next": NEW})

    assert response.status_code == 400
    assert "This isn’t your password." in read(response).errors_of("id_password")
    assert sleepy.get(NEW).status_code == 302


@pytest.mark.parametrize("elsewhere", ["//evil.example", "https://evil.example/", "/\\evil.example"])
def test_it_leads_to_no_other_site(sleepy, elsewhere):
    response = sleepy.post("/sign-in/again", {"password": PASSWORD, "next": elsewhere})

    assert response["Location"] == "/organizations"


def test_a_code_will_do(world):
    browser = sign_in(Browser(SERVER_NAME="localhost"), world.delegate)
    secret = set_up_app(browser)
    later = sign_in(Browser(SERVER_NAME="localhost"), world.delegate, ago=ELEVEN_MINUTES)

    response = later.post("/sign-in/again/code", {"code": code(secret, steps=1), "next": NEW})

    assert response["Location"] == NEW
    assert later.get(NEW).status_code == 200


def test_a_passkey_will_do(world):
    passkey = Passkey()
    set_up_passkey(sign_in(Browser(SERVER_NAME="localhost"), world.delegate), passkey)
    later = sign_in(Browser(SERVER_NAME="localhost"), world.delegate, ago=ELEVEN_MINUTES)

    page = later.get("/sign-in/again/passkey", {"next": NEW})
    response = later.post("/sign-in/again/passkey", {"credential": passkey.get(options_of(page)), "next": NEW})

    assert response["Location"] == NEW
    assert later.get(NEW).status_code == 200


def test_another_persons_passkey_will_not(world, sleepy):
    passkey = Passkey()
    set_up_passkey(sign_in(Browser(SERVER_NAME="localhost"), world.stranger), passkey)
    own = Passkey()
    set_up_passkey(sign_in(Browser(SERVER_NAME="localhost"), world.delegate), own)
    later = sign_in(Browser(SERVER_NAME="localhost"), world.delegate, ago=ELEVEN_MINUTES)

    page = later.get("/sign-in/again/passkey")
    later.post("/sign-in/again/passkey", {"credential": passkey.get(options_of(page)), "next": NEW})

    assert later.get(NEW).status_code == 302


def test_the_other_ways_are_offered(world, read):
    browser = sign_in(Browser(SERVER_NAME="localhost"), world.delegate)
    set_up_app(browser)
    later = sign_in(Browser(SERVER_NAME="localhost"), world.delegate, ago=ELEVEN_MINUTES)

    page = later.get("/sign-in/again", {"next": NEW})

    assert "Use a code from your authenticator app, or a recovery code" in read(page).text
    assert "/sign-in/again/code?next=%2Forganizations%2FA9994%2Fcredentials%2Fnew" in page.content.decode()


def test_whoever_has_nothing_to_show_signs_in_again(world, sleepy, read):
    world.delegate.set_unusable_password()
    world.delegate.save()
    browser = sign_in(Browser(), world.delegate, ago=ELEVEN_MINUTES)

    response = browser.post(NEW, TYPED, follow=True)

    assert response.redirect_chain[-1][0] == f"/sign-in?next={NEW}"
    assert "Your changes weren’t saved." in read(response).text
    assert auth.SESSION_KEY not in browser.session
    assert not Client.objects.exists()


def test_a_stranger_is_told_nothing(world):
    stranger = sign_in(Browser(), world.stranger, ago=ELEVEN_MINUTES)

    assert stranger.get(NEW).status_code == 404
