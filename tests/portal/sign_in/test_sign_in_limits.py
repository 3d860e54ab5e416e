import re

import pytest
from django.contrib import auth
from django.test import Client as Browser

from credentials.models import AuditEvent, Organization
from credentials.trail.audit import Action
from tests.world import PASSWORD

GOOD = {"login": "delegate@harbor.example", "password": PASSWORD}
BAD = {**GOOD, "password": "a guess"}
HOME, OFFICE = "8.8.8.8", "9.9.9.9"


@pytest.fixture(autouse=True)
def _without_a_second_step(world):
    Organization.objects.update(requires_second_factor=False)


def is_in(browser: Browser) -> bool:
    return auth.SESSION_KEY in browser.session


def guess(address: str, times: int, **fields: str) -> list[int]:
    return [Browser(REMOTE_ADDR=address).post("/sign-in", {**BAD, **fields}).status_code for _ in range(times)]


def test_after_ten_tries_even_the_right_password_has_to_wait(read):
    guess(HOME, 10)
    browser = Browser(REMOTE_ADDR=HOME)

    response = browser.post("/sign-in", GOOD)

    assert response.status_code == 400
    assert re.search(
        r"Too many attempts\. Wait \d minutes? and try again\. You can still sign in with a passkey",
        read(response).text,
    )
    assert not is_in(browser)


def test_from_elsewhere_the_person_comes_in_meanwhile():
    guess(HOME, 12)
    browser = Browser(REMOTE_ADDR=OFFICE)

    browser.post("/sign-in", GOOD)

    assert is_in(browser)


def test_an_ipv6_network_counts_as_one_address():
    for number in range(10):
        guess(f"2606:4700::{number + 1:x}", 1)
    browser = Browser(REMOTE_ADDR="2606:4700::ffff")

    assert browser.post("/sign-in", GOOD).status_code == 400


def test_whoever_tries_many_accounts_from_one_address_has_to_wait_too(settings):
    settings.LIMIT_SIGN_INS_PER_ADDRESS = 5
    for number in range(5):
        guess(HOME, 1, login=f"person{number}@harbor.example")

    assert Browser(REMOTE_ADDR=HOME).post("/sign-in", GOOD).status_code == 400


def test_whoever_tries_from_everywhere_stops_strangers_and_not_the_person(settings):
    settings.LIMIT_SIGN_INS_PER_PERSON = 20
    own = Browser(REMOTE_ADDR=OFFICE)
    own.post("/sign-in", GOOD)
    own.post("/sign-out")
    for number in range(1, 30):
        guess(f"8.8.4.{number}", 1)
    unknown = Browser(REMOTE_ADDR="1.1.1.1")

    unknown.post("/sign-in", GOOD)
    own.post("/sign-in", GOOD)

    assert not is_in(unknown)
    assert is_in(own)


def test_the_cookie_of_a_known_browser_gives_no_endless_tries():
    own = Browser(REMOTE_ADDR=OFFICE)
    own.post("/sign-in", GOOD)
    own.post("/sign-out")

    answers = [own.post("/sign-in", BAD).status_code for _ in range(12)]
    own.post("/sign-in", GOOD)

    assert set(answers) == {400}
    assert not is_in(own)


def test_the_cookie_lets_nobody_in_and_cannot_be_made_up(settings):
    settings.LIMIT_SIGN_INS_PER_PERSON = 5
    own = Browser(REMOTE_ADDR=OFFICE)
    own.post("/sign-in", GOOD)
    own.post("/sign-out")
    cookie = own.cookies["claimsgate_known_browser"]
    guess(HOME, 6)
    forged = Browser(REMOTE_ADDR="1.1.1.1")
    forged.cookies["claimsgate_known_browser"] = cookie.value.partition(":")[0] + ":0123456789abcdef:x:y"

    forged.post("/sign-in", GOOD)

    assert not is_in(forged)
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert own.get("/account").status_code == 302


def test_an_unknown_address_is_limited_just_the_same(read):
    known, unknown = guess(HOME, 11), guess(OFFICE, 11, login="nobody@harbor.example")
    page = read(Browser(REMOTE_ADDR=OFFICE).post("/sign-in", {**BAD, "login": "nobody@harbor.example"}))

    assert known == unknown
    assert "Too many attempts." in page.text


def test_an_attack_leaves_a_few_lines_in_the_trail():
    for number in range(1, 6):
        guess(f"8.8.4.{number}", 12)

    reasons = [event.detail["reason"] for event in AuditEvent.objects.filter(action=Action.SIGN_IN_REFUSED)]
    assert sorted(reasons) == ["too_many_tries", "wrong_password"]


def test_the_page_itself_cannot_be_asked_without_end(settings, read):
    settings.ACCOUNT_RATE_LIMITS = {**settings.ACCOUNT_RATE_LIMITS, "login": "3/m/ip"}
    guess(HOME, 3)

    response = Browser(REMOTE_ADDR=HOME).post("/sign-in", GOOD)

    assert response.status_code == 429
    assert "Too many attempts" in read(response).text


def test_x_forwarded_for_of_a_stranger_makes_no_new_address():
    for number in range(10):
        Browser(REMOTE_ADDR=HOME).post("/sign-in", BAD, headers={"X-Forwarded-For": f"1.2.3.{number}"})

    assert Browser(REMOTE_ADDR=HOME).post("/sign-in", GOOD).status_code == 400
