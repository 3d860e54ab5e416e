import datetime as dt

import pytest

from portal.sign_in_checks import openid_providers, session_limits, ways_in

GOOD = {"id": "login-gov", "name": "Login.gov", "issuer": "https://secure.login.gov/", "client_id": "urn:gov:claims"}


@pytest.fixture
def production(settings):
    settings.EMBEDDED = False
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.OPERATORS_NEED_SECOND_FACTOR = True
    return settings


def test_good_settings_are_met_with_silence(production):
    production.OPENID_PROVIDERS = [GOOD, {**GOOD, "id": "other", "client_secret": "x", "scopes": ["openid", "email"]}]

    assert [*openid_providers(), *session_limits(), *ways_in()] == []


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ([{**GOOD, "issuer": ""}], "login-gov is missing issuer"),
        ([{"name": "X"}], "an entry without id is missing client_id"),
        ([{**GOOD, "id": "login.gov"}], "has characters other than lowercase letters"),
        ([{**GOOD, "issuer": "http://secure.login.gov/"}], "doesn't start with https://"),
        ([{**GOOD, "secret": "x"}], "has an unknown field, secret"),
        ([{**GOOD, "private_key_file": "/nowhere/key.pem"}], "doesn't exist: /nowhere/key.pem"),
        ([GOOD, GOOD], "the id login-gov is used twice"),
    ],
)
def test_what_is_wrong_with_a_provider_is_said(production, entries, words):
    production.OPENID_PROVIDERS = entries

    messages = openid_providers()

    assert any(words in message.msg for message in messages)
    assert all(message.hint and message.id == "claimsgate.E010" for message in messages)


@pytest.mark.parametrize("minutes", [0, 13 * 60])
def test_sessions_that_cannot_be_are_refused(settings, minutes):
    settings.SESSION_IDLE = dt.timedelta(minutes=minutes)

    (message,) = session_limits()

    assert message.id == "claimsgate.E011"


@pytest.mark.parametrize(
    ("name", "value", "identity"),
    [
        ("EMAIL_BACKEND", "django.core.mail.backends.console.EmailBackend", "claimsgate.W010"),
        ("OPERATORS_NEED_SECOND_FACTOR", False, "claimsgate.W011"),
    ],
)
def test_a_way_in_that_is_shut_or_wide_open_is_said(production, name, value, identity):
    setattr(production, name, value)

    (message,) = ways_in()

    assert message.id == identity
    assert message.hint
