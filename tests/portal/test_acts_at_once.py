"""What a person does with the own sign-in, asked for many times at the same moment: it is done once."""

import time
from collections.abc import Callable

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.test import Client as Browser

from credentials.models import AuditEvent
from credentials.trail.audit import Action
from portal.sign_in import sessions
from tests.authenticators import Passkey, code
from tests.credentials.at_once import CALLERS, at_once
from tests.portal.sign_in.second_step.factors import APP, PASSKEYS, options_of, set_up_app, set_up_passkey
from tests.world import PASSWORD, sign_in

pytestmark = pytest.mark.django_db(transaction=True)
NEW_PASSWORD = "another long password for tests"


@pytest.fixture
def person(world) -> Browser:
    """The delegate of Harbor, who has signed in and has no second step yet."""
    return sign_in(Browser(SERVER_NAME="localhost"), world.delegate, with_second_factor=False)


def many(person: Browser, act: Callable[[Browser], object]) -> list:
    """The answers to one request that a browser sends many times."""
    browsers = [Browser(SERVER_NAME="localhost") for _ in range(CALLERS)]
    for browser in browsers:
        browser.cookies = person.cookies.copy()
    return at_once(lambda number: act(browsers[number]))


def events(action: Action) -> list[dict]:
    return list(AuditEvent.objects.filter(action=action).values_list("detail", flat=True))


def assert_answered(answers: list) -> None:
    """No request failed; those that came too late were told that there is nothing of the kind, or led on."""
    assert {getattr(answer, "status_code", answer) for answer in answers} <= {302, 400, 404, 429}


def test_an_app_is_removed_once(person):
    set_up_app(person)

    answers = many(person, lambda browser: browser.post(f"{APP}/remove"))

    assert_answered(answers)
    assert not Authenticator.objects.exists()
    assert events(Action.SECOND_FACTOR_REMOVED) == [{"kinds": ["totp"]}]


def test_an_app_is_set_up_once(person):
    set_up_app(person)
    person.post(f"{APP}/remove")
    page = person.get(APP).content.decode()
    secret = page.split('id="secret" class="key">')[1].split("<")[0]
    given = code(secret)
    before = len(events(Action.SECOND_FACTOR_ADDED))

    answers = many(person, lambda browser: browser.post(APP, {"code": given}))

    assert_answered(answers)
    assert Authenticator.objects.filter(type="totp").count() == 1
    assert Authenticator.objects.filter(type="recovery_codes").count() == 1
    assert len(events(Action.SECOND_FACTOR_ADDED)) == before + 1


def test_a_passkey_is_added_once(person):
    credential = Passkey().create(options_of(person.get(f"{PASSKEYS}/new")))

    answers = many(
        person, lambda browser: browser.post(f"{PASSKEYS}/new", {"name": "Laptop", "credential": credential})
    )

    assert_answered(answers)
    assert Authenticator.objects.filter(type="webauthn").count() == 1
    assert [each["kind"] for each in events(Action.SECOND_FACTOR_ADDED)] == ["webauthn"]


def test_a_passkey_is_removed_once(person):
    set_up_passkey(person, Passkey())
    own = Authenticator.objects.get(type="webauthn")

    answers = many(person, lambda browser: browser.post(f"{PASSKEYS}/{own.pk}/remove"))

    assert_answered(answers)
    assert not Authenticator.objects.exists()
    assert events(Action.SECOND_FACTOR_REMOVED) == [{"kinds": ["webauthn"]}]


def test_a_password_is_changed_once(person, world):
    form = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}

    answers = many(person, lambda browser: browser.post("/account/password", form))

    assert_answered(answers)
    world.delegate.refresh_from_db()
    assert world.delegate.check_password(NEW_PASSWORD)
    assert [each["by_means_of"] for each in events(Action.PASSWORD_CHANGED)] == ["session"]


def test_a_session_is_ended_once(person, world):
    sign_in(Browser(), world.delegate)
    other = UserSession.objects.order_by("pk").last()

    answers = many(person, lambda browser: browser.post(f"/account/sessions/{other.pk}/end"))

    assert_answered(answers)
    assert UserSession.objects.count() == 1
    assert events(Action.SESSIONS_ENDED) == [{"reason": "by the user", "count": 1}]


def test_all_other_sessions_are_ended_once(person, world):
    for _ in range(5):
        sign_in(Browser(), world.delegate)

    answers = many(person, lambda browser: browser.post("/account/sessions/end-others"))

    assert_answered(answers)
    assert UserSession.objects.count() == 1
    assert events(Action.SESSIONS_ENDED) == [{"reason": "by the user", "count": 5}]


def test_a_session_whose_time_is_up_ends_once_whatever_else_the_page_asks_for(person, settings):
    session = person.session
    session[sessions.SEEN_AT] = time.time() - settings.SESSION_IDLE.total_seconds() - 60
    session.save()

    answers = many(person, lambda browser: browser.get("/account"))

    assert {getattr(answer, "status_code", answer) for answer in answers} <= {302, 200}
    assert events(Action.SESSIONS_ENDED) == [{"reason": "idle"}]


def test_a_person_signs_out_once(person):
    answers = many(person, lambda browser: browser.post("/sign-out"))

    assert_answered(answers)
    assert not UserSession.objects.exists()
    assert events(Action.SESSIONS_ENDED) == [{"reason": "signed out"}]
