import datetime as dt
import time

import pytest
from allauth.usersessions.models import UserSession
from django.contrib import auth
from django.contrib.sessions.models import Session
from django.test import Client as Browser

from credentials.models import AuditEvent, Organization
from credentials.trail.audit import Action
from portal.sign_in import browsers, sessions
from tests.world import PASSWORD, sign_in

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
MINUTE, HOUR = 60, 3600


@pytest.fixture
def after(monkeypatch):
    """Makes so many seconds pass."""
    began = time.time()

    def pass_by(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: began + seconds)

    return pass_by


def is_in(browser: Browser) -> bool:
    return browser.get("/account").status_code == 200


def test_an_idle_session_ends_on_the_server(delegate, after, read, world):
    stolen = delegate.cookies["claimsgate_session"].value
    after(29 * MINUTE)
    still = is_in(delegate)
    after((29 + 31) * MINUTE)
    over = delegate.get("/organizations/A9994")
    thief = Browser()
    thief.cookies["claimsgate_session"] = stolen

    assert still
    assert over["Location"] == "/sign-in?next=/organizations/A9994"
    assert "you weren’t active for 30 minutes" in read(delegate.get(over["Location"])).text
    assert not is_in(thief)
    assert not UserSession.objects.filter(user=world.delegate).exists()
    assert AuditEvent.objects.get(action=Action.SESSIONS_ENDED).detail == {"reason": "idle"}


def test_a_busy_session_ends_after_twelve_hours(delegate, after, read):
    for number in range(1, 29):
        after(number * 25 * MINUTE)
        assert is_in(delegate)
    after(12 * HOUR + 1)

    over = delegate.get("/account", follow=True)

    assert "you have to sign in again after 12 hours" in read(over).text


def test_what_a_page_asks_by_itself_keeps_no_session_alive(delegate, after):
    for minutes in range(1, 31):
        after(minutes * MINUTE)
        delegate.get("/organizations/A9994/exports", headers={"HX-Request": "true"})
        delegate.get("/account/session", headers={"X-Background": "1"})

    assert not is_in(delegate)


def test_a_form_that_came_too_late_says_that_it_was_not_carried_out(delegate, after, read, world):
    after(31 * MINUTE)

    response = delegate.post(
        "/organizations/A9994/credentials/new", {"name": "Mine", "address_1": "9.9.9.9"}, follow=True
    )

    assert "Your last changes weren’t saved." in read(response).text
    assert not world.harbor.clients.exists()


@pytest.mark.parametrize(("at_most", "told"), [(720, (1500, True)), (15, (600, False))])
def test_a_page_can_ask_how_long_it_lasts(delegate, after, settings, at_most, told):
    settings.SESSION_AT_MOST = dt.timedelta(minutes=at_most)
    after(5 * MINUTE)

    left = delegate.get("/account/session", headers={"X-Background": "1"}).json()

    assert left["can_be_extended"] is told[1]
    assert abs(left["seconds"] - told[0]) <= 2


def test_it_can_be_extended(delegate, after):
    after(29 * MINUTE)

    told = delegate.post("/account/session").json()

    assert abs(told["seconds"] - 30 * MINUTE) <= 2


def test_whoever_is_not_in_is_told_that_it_is_over(world):
    response = Browser().get("/account/session")

    assert (response.status_code, response.json()["seconds"]) == (401, 0)


def test_the_id_changes_with_every_step_so_that_a_planted_one_is_worth_nothing(world):
    Organization.objects.update(requires_second_factor=False)
    attacker = Browser()
    attacker.get("/sign-in/passkey")  # the site gives out a session, which the attacker plants
    planted = attacker.cookies["claimsgate_session"].value
    victim = Browser()
    victim.cookies["claimsgate_session"] = planted

    victim.post("/sign-in", {"login": world.delegate.email, "password": PASSWORD})

    assert victim.cookies["claimsgate_session"].value != planted
    assert auth.SESSION_KEY not in attacker.session
    assert not is_in(attacker)
    assert is_in(victim)


def test_an_id_that_the_site_did_not_give_out_is_not_taken_over(world):
    victim = Browser()
    victim.cookies["claimsgate_session"] = "a" * 32

    victim.post("/sign-in", {"login": world.delegate.email, "password": PASSWORD})

    assert victim.cookies["claimsgate_session"].value != "a" * 32
    assert not Session.objects.filter(session_key="a" * 32).exists()


def test_ones_sessions_are_listed_in_words(world, read):
    browser = Browser(REMOTE_ADDR="8.8.4.4", HTTP_USER_AGENT=FIREFOX)
    Organization.objects.update(requires_second_factor=False)
    browser.post("/sign-in", {"login": world.delegate.email, "password": PASSWORD})
    sign_in(Browser(REMOTE_ADDR="9.9.9.9"), world.delegate)
    sign_in(Browser(REMOTE_ADDR="1.1.1.1"), world.colleague)

    page = read(browser.get("/account/sessions"))

    assert "Firefox on Windows 8.8.4.4" in page.text
    assert "9.9.9.9" in page.text
    assert "1.1.1.1" not in page.text
    assert page.text.count("This browser") == 1
    assert browser.session.session_key not in browser.get("/account/sessions").content.decode()


def test_one_of_them_is_signed_out(delegate, browse, world):
    other, third = browse(world.delegate), browse(world.delegate)
    ended = UserSession.objects.get(session_key=other.session.session_key)

    delegate.post(f"/account/sessions/{ended.pk}/end")

    assert (is_in(delegate), is_in(other), is_in(third)) == (True, False, True)
    assert AuditEvent.objects.get(action=Action.SESSIONS_ENDED).detail == {"reason": "by the user", "count": 1}


def test_all_others_are_signed_out(delegate, browse, world):
    others = [browse(world.delegate), browse(world.delegate)]
    colleague = browse(world.colleague)

    delegate.post("/account/sessions/end-others")

    assert is_in(delegate)
    assert is_in(colleague)
    assert not any(is_in(other) for other in others)


def test_nobody_ends_another_persons_session(stranger, delegate):
    theirs = UserSession.objects.get(session_key=delegate.session.session_key)

    response = stranger.post(f"/account/sessions/{theirs.pk}/end")

    assert response.status_code == 404
    assert is_in(delegate)


@pytest.mark.parametrize("path", ["/account/sessions/1/end", "/account/sessions/end-others"])
def test_ending_takes_a_post(delegate, path):
    assert delegate.get(path).status_code == 405


def test_an_operator_ends_a_session(delegate, client, world):
    client.force_login(world.operator)
    chosen = UserSession.objects.get(session_key=delegate.session.session_key)

    client.post("/admin/usersessions/usersession/", {"action": "sign_out", "_selected_action": [chosen.pk]})

    assert not is_in(delegate)


def test_signing_out_leaves_nothing_behind(delegate, world):
    key = delegate.session.session_key

    delegate.post("/sign-out")

    assert not Session.objects.filter(session_key=key).exists()
    assert not UserSession.objects.filter(user=world.delegate).exists()


def test_what_is_over_is_forgotten(delegate, browse, world):
    browse(world.colleague)
    Session.objects.filter(session_key=delegate.session.session_key).update(expire_date="2020-01-01T00:00Z")

    sessions.forget_ended()

    assert [session.user for session in UserSession.objects.all()] == [world.colleague]
    assert Session.objects.count() == 1


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (FIREFOX, "Firefox on Windows"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/138.0 Safari/537.36 Edg/138.0", "Edge on Windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605 Version/18.5 Safari/605", "Safari on a Mac"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) CriOS/138.0 Safari/604.1", "Chrome on iPhone"),
        ("Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/138.0 Mobile Safari/537.36", "Chrome on Android"),
        ("curl/8.14", "Unknown browser"),
        ("", "Unknown browser"),
    ],
)
def test_browsers_are_told_apart(user_agent, words):
    assert browsers.in_words(user_agent) == words
