"""Passkeys, alone and as a second step."""

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client as Browser

from credentials.models import AuditEvent
from credentials.trail.audit import Action
from tests.authenticators import Passkey
from tests.portal.sign_in.second_step.factors import CREDENTIALS, PASSKEYS, is_in, options_of, set_up_passkey
from tests.world import sign_in


def sign_in_by(passkey: Passkey, browser: Browser, **fields: str):
    options = browser.get("/sign-in/passkey").json()
    return browser.post("/sign-in/passkey", {"credential": passkey.get(options), **fields})


def test_a_passkey_is_set_up_and_signs_in_alone(newcomer, visitor, world):
    passkey = Passkey()
    set_up_passkey(newcomer, passkey)

    response = sign_in_by(passkey, visitor, next="/organizations/A9994/exports")

    assert response["Location"] == "/organizations/A9994/exports"
    assert visitor.get("/organizations/A9994/exports").status_code == 200
    assert AuditEvent.objects.latest("pk").detail == {"by_means_of": ["webauthn"]}
    assert AuditEvent.objects.get(action=Action.SECOND_FACTOR_ADDED).detail["kind"] == "webauthn"


def test_a_passkey_is_a_second_step_after_the_password(newcomer, visitor):
    passkey = Passkey(has_sensor=False)
    set_up_passkey(newcomer, passkey)

    page = visitor.post("/sign-in", CREDENTIALS, follow=True)
    visitor.post("/sign-in/second-step", {"credential": passkey.get(options_of(page))})

    assert is_in(visitor)


def test_without_finger_face_or_pin_it_does_not_sign_in_alone(newcomer, visitor, read):
    passkey = Passkey(has_sensor=False)
    set_up_passkey(newcomer, passkey)

    sign_in_by(passkey, visitor)

    assert not is_in(visitor)
    assert "can replace your password" not in read(newcomer.get("/account")).text


def test_an_answer_cannot_be_used_again(newcomer, visitor):
    passkey = Passkey()
    set_up_passkey(newcomer, passkey)
    answer = passkey.get(visitor.get("/sign-in/passkey").json())
    visitor.post("/sign-in/passkey", {"credential": answer})
    thief = Browser(SERVER_NAME="localhost")
    thief.get("/sign-in/passkey")

    thief.post("/sign-in/passkey", {"credential": answer})

    assert is_in(visitor)
    assert not is_in(thief)


@pytest.mark.parametrize("origin", ["https://evil.example", "https://localhost.evil.example", "http://127.0.0.1"])
def test_an_answer_given_to_another_site_is_refused(newcomer, visitor, origin):
    passkey = Passkey()
    set_up_passkey(newcomer, passkey)
    passkey.origin = origin

    sign_in_by(passkey, visitor)

    assert not is_in(visitor)


def test_a_passkey_opens_only_its_own_account(newcomer, visitor, world):
    passkey = Passkey()
    set_up_passkey(newcomer, passkey)
    other = Passkey()
    set_up_passkey(sign_in(Browser(SERVER_NAME="localhost"), world.stranger), other)
    other.user_handle = passkey.user_handle

    sign_in_by(other, visitor)

    assert not is_in(visitor)


@pytest.mark.parametrize(
    "answer",
    ["", "{}", "[]", "nonsense", '{"id": "a", "response": {"userHandle": "AAAA"}}', "null", '{"id": 7, "rawId": 7}'],
)
def test_nonsense_instead_of_an_answer_is_refused_in_words(visitor, read, answer):
    visitor.get("/sign-in/passkey")

    response = visitor.post("/sign-in/passkey", {"credential": answer}, follow=True)

    assert "The passkey wasn’t accepted." in read(response).text
    assert not is_in(visitor)


def test_passkeys_are_renamed_and_removed_by_their_owner_alone(newcomer, stranger, world, read):
    set_up_passkey(newcomer, Passkey(), name="Blue key")
    own = Authenticator.objects.get(type="webauthn")

    theirs = [stranger.post(f"{PASSKEYS}/{own.pk}/{act}", {"name": "Mine"}).status_code for act in ("name", "remove")]
    newcomer.post(f"{PASSKEYS}/{own.pk}/name", {"name": "Green key"})
    renamed = read(newcomer.get("/account")).text
    newcomer.post(f"{PASSKEYS}/{own.pk}/remove")

    assert theirs == [404, 404]
    assert "Green key" in renamed
    assert not Authenticator.objects.exists()
    assert AuditEvent.objects.filter(action=Action.SECOND_FACTOR_REMOVED, user=world.delegate).count() == 1
