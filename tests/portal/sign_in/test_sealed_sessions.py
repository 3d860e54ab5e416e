"""Who copies the database cannot read what waits in sessions, nor open one with a key of another site."""

import base64

from django.conf import settings as django_settings
from django.contrib.sessions.models import Session
from django.test import Client as Browser

from portal.sign_in import sealing
from portal.sign_in.sealed_sessions import SessionStore
from tests.world import sign_in

WAITING = "3-cw1abc-0123456789abcdef"


def kept() -> str:
    store = SessionStore()
    store["new_password_link"] = WAITING
    store.save()
    return store.session_key


def test_what_waits_in_a_session_is_read_by_us_and_nobody_else(db):
    key = kept()
    row = Session.objects.get(session_key=key)

    assert SessionStore(key)["new_password_link"] == WAITING
    assert WAITING not in row.session_data
    assert row.get_decoded() == {}
    assert WAITING.encode() not in base64.urlsafe_b64decode(row.session_data)


def test_an_old_key_opens_sessions_as_long_as_it_is_a_fallback(db, settings):
    key, old = kept(), django_settings.SECRET_KEY

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another" * 8, [old]
    assert SessionStore(key)["new_password_link"] == WAITING
    settings.SECRET_KEY_FALLBACKS = []
    assert dict(SessionStore(key).items()) == {}


def test_whoever_has_a_session_of_another_key_signs_in_again(world, settings):
    browser = sign_in(Browser(), world.colleague)
    assert browser.get("/organizations/A9994").status_code == 200

    settings.SECRET_KEY = "another" * 8

    assert browser.get("/organizations/A9994")["Location"].startswith("/sign-in")


def test_what_was_sealed_for_another_purpose_is_no_session(db):
    key = kept()

    Session.objects.filter(session_key=key).update(session_data=sealing.seal('{"_auth_user_id": "1"}'))

    assert dict(SessionStore(key).items()) == {}
