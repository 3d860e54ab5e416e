"""Authenticator apps."""

import re

import pytest
from allauth.mfa.models import Authenticator
from django.db import connection
from django.test import Client as Browser

from credentials.models import AuditEvent
from credentials.trail.audit import Action
from tests.authenticators import code
from tests.portal.sign_in.second_step.factors import APP, CREDENTIALS, is_in, set_up_app


def test_an_app_is_set_up_and_the_way_goes_on_where_one_was_going(newcomer, world, read):
    asked = newcomer.get("/organizations/A9994/exports")
    choice = newcomer.get(asked["Location"]).content.decode()
    way = re.search(r'href="(/account/second-step/app\?next=[^"]+)"', choice)[1]
    page = newcomer.get(way)
    secret = re.search(r'class="key">([A-Z2-7 ]+)<', page.content.decode())[1]

    done = newcomer.post(way, {"code": code(secret)})
    codes = newcomer.get(done["Location"])

    assert 'src="data:image/svg+xml;base64,' in page.content.decode()
    assert "Save your recovery codes" in read(codes).text
    assert len(re.findall(r"<li><code>\d{8}</code></li>", codes.content.decode())) == 10
    assert 'href="/organizations/A9994/exports">I’ve saved the codes' in codes.content.decode()
    assert newcomer.get("/organizations/A9994/exports").status_code == 200


def test_a_wrong_first_code_sets_nothing_up_and_keeps_the_key(newcomer, read):
    before = newcomer.get(APP).content.decode()

    response = newcomer.post(APP, {"code": "000000"})

    assert response.status_code == 400
    assert "This code is wrong" in read(response).errors_of("id_code")
    key = re.compile(r'class="key">([A-Z2-7 ]+)<')
    assert key.search(before)[1] == key.search(response.content.decode())[1]
    assert not Authenticator.objects.exists()


def test_signing_in_then_takes_two_steps(newcomer, visitor, later):
    secret = set_up_app(newcomer)
    later(2)

    first = visitor.post("/sign-in", {**CREDENTIALS, "next": "/organizations/A9994/exports"})
    between = is_in(visitor), visitor.get("/organizations/A9994").status_code
    second = visitor.post(first["Location"], {"code": code(secret)})

    assert first["Location"] == "/sign-in/second-step"
    assert between == (False, 302)
    assert second["Location"] == "/organizations/A9994/exports"
    assert visitor.get("/organizations/A9994/exports").status_code == 200
    assert AuditEvent.objects.latest("pk").detail == {"by_means_of": ["password", "totp"]}


@pytest.mark.parametrize("written", ["{} ", "{0:.3} {0:3.3}", "{}"])
def test_a_code_counts_once_however_it_is_written(newcomer, visitor, later, written):
    secret = set_up_app(newcomer)
    later(2)
    shown = code(secret)
    visitor.post("/sign-in", CREDENTIALS)
    visitor.post("/sign-in/second-step", {"code": shown})
    thief = Browser()
    thief.post("/sign-in", CREDENTIALS)
    later(3)  # it would be accepted still, since clocks differ

    response = thief.post("/sign-in/second-step", {"code": f"{shown[:3]}-{shown[3:]}"})

    assert is_in(visitor)
    assert response.status_code == 400
    assert not is_in(thief)


def test_the_code_that_set_the_app_up_opens_nothing(newcomer, visitor):
    secret = set_up_app(newcomer)
    visitor.post("/sign-in", CREDENTIALS)

    response = visitor.post("/sign-in/second-step", {"code": code(secret)})

    assert response.status_code == 400
    assert not is_in(visitor)


def test_a_clock_may_be_half_a_minute_wrong_and_not_more(newcomer, visitor, later):
    secret = set_up_app(newcomer)
    later(10)
    visitor.post("/sign-in", CREDENTIALS)

    too_old = visitor.post("/sign-in/second-step", {"code": code(secret, steps=-2)}).status_code
    visitor.post("/sign-in/second-step", {"code": code(secret, steps=1)})

    assert too_old == 400
    assert is_in(visitor)


def test_codes_cannot_be_guessed(newcomer, visitor, world, later):
    secret = set_up_app(newcomer)
    later(10)
    for number in range(6):
        thief = Browser(REMOTE_ADDR=f"9.9.9.{number}")
        thief.post("/sign-in", CREDENTIALS)
        thief.post("/sign-in/second-step", {"code": f"00000{number}"})
    visitor.post("/sign-in", CREDENTIALS)

    at_once = visitor.post("/sign-in/second-step", {"code": code(secret)})
    later(21)
    afterwards = visitor.post("/sign-in/second-step", {"code": code(secret)})

    assert at_once.status_code == 400
    assert afterwards.status_code == 302
    assert is_in(visitor)
    event = AuditEvent.objects.get(action=Action.SIGN_IN_REFUSED)
    assert (event.user, event.detail) == (world.delegate, {"reason": "wrong_code"})


def test_the_half_way_in_ends_after_a_quarter_of_an_hour(newcomer, visitor, later):
    secret = set_up_app(newcomer)
    later(2)
    visitor.post("/sign-in", CREDENTIALS)
    later(2 + 31)

    response = visitor.post("/sign-in/second-step", {"code": code(secret)})

    assert response["Location"] == "/sign-in"
    assert not is_in(visitor)


def test_one_can_start_over_with_another_account(newcomer, visitor, read):
    set_up_app(newcomer)
    visitor.post("/sign-in", CREDENTIALS)

    visitor.post("/sign-out")

    assert "Email address" in read(visitor.get("/sign-in")).text


def test_keys_are_sealed_in_the_database(newcomer, settings):
    secret = set_up_app(newcomer).replace(" ", "")

    with connection.cursor() as cursor:
        cursor.execute("SELECT data::text FROM mfa_authenticator")
        kept = " ".join(row[0] for row in cursor.fetchall())

    assert secret not in kept
    assert "seed" in kept


def test_after_a_change_of_the_secret_key_the_old_one_still_opens_seals(newcomer, visitor, settings, later):
    secret = set_up_app(newcomer)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "x" * 60
    later(2)

    visitor.post("/sign-in", CREDENTIALS)
    visitor.post("/sign-in/second-step", {"code": code(secret)})

    assert is_in(visitor)
