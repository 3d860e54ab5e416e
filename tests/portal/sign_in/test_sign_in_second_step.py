import html
import json
import re
import time

import pytest
from allauth.mfa.models import Authenticator
from django.contrib import auth
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client as Browser

from credentials.models import AuditEvent, Organization
from credentials.trail.audit import Action
from tests.authenticators import STEP, Passkey, code
from tests.world import PASSWORD, MembershipFactory, sign_in

CREDENTIALS = {"login": "delegate@harbor.example", "password": PASSWORD}
APP, PASSKEYS = "/account/second-step/app", "/account/second-step/passkeys"


@pytest.fixture
def newcomer(world) -> Browser:
    """The delegate of Harbor, who has signed in and has no second step yet."""
    return sign_in(Browser(SERVER_NAME="localhost"), world.delegate, with_second_factor=False)


@pytest.fixture
def visitor(world) -> Browser:
    return Browser(SERVER_NAME="localhost")


@pytest.fixture
def later(monkeypatch):
    """Makes time pass, in steps of an app."""
    now = time.time

    def pass_by(steps: int) -> None:
        monkeypatch.setattr(time, "time", lambda: now() + steps * STEP)

    return pass_by


def set_up_app(browser: Browser) -> str:
    """The key that the app now keeps."""
    page = browser.get(APP).content.decode()
    secret = re.search(r'id="secret" class="key">([A-Z2-7 ]+)<', page)[1]
    assert browser.post(APP, {"code": code(secret)}).status_code == 302
    return secret


def set_up_passkey(browser: Browser, passkey: Passkey, name: str = "Laptop") -> None:
    answer = passkey.create(options_of(browser.get(f"{PASSKEYS}/new")))
    assert browser.post(f"{PASSKEYS}/new", {"name": name, "credential": answer}).status_code == 302


def options_of(response) -> dict:
    found = re.search(r'<script id="passkey-options" type="application/json">(.+?)</script>', response.content.decode())
    return json.loads(html.unescape(found[1]))


def recovery_codes_of(browser: Browser) -> list[str]:
    return re.findall(r"<li><code>(\d{8})</code></li>", browser.get("/account/second-step/codes").content.decode())


def is_in(browser: Browser) -> bool:
    return auth.SESSION_KEY in browser.session


# --- Who is asked -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/credentials", "/credentials/new", "/attribution", "/exports", "/exports/new"])
def test_nothing_of_the_organization_opens_before_it_is_set_up(newcomer, world, path):
    where = f"/organizations/A9994{path}"

    for response in (newcomer.get(where), newcomer.post(where, {"name": "Mine", "address_1": "9.9.9.9"})):
        assert response.status_code == 302
        assert response["Location"].startswith("/account/second-step?next=%2Forganizations%2FA9994")
    assert not world.harbor.clients.exists()


def test_the_page_says_who_asks_and_what_to_choose_from(newcomer, read):
    page = read(newcomer.get("/organizations/A9994", follow=True))

    assert (
        "Harbor Care Alliance requires two-factor authentication for everyone who manages API credentials" in page.text
    )
    assert "Set up a passkey" in page.text
    assert "Set up an authenticator app" in page.text


def test_whoever_does_not_manage_credentials_is_not_asked(world):
    colleague = sign_in(Browser(), world.colleague, with_second_factor=False)

    assert colleague.get("/organizations/A9994").status_code == 200


def test_an_organization_can_switch_the_rule_off(newcomer, world):
    Organization.objects.filter(pk=world.harbor.pk).update(requires_second_factor=False)

    assert newcomer.get("/organizations/A9994").status_code == 200


def test_a_stranger_is_not_told_of_the_rule(newcomer):
    assert newcomer.get("/organizations/D9990").status_code == 404


def test_in_the_list_a_closed_organization_says_only_that(newcomer, world, read):
    MembershipFactory(organization=world.mesa, user=world.delegate)
    world.api_client()

    page = read(newcomer.get("/organizations"))

    assert "Harbor Care Alliance A9994 Medicare Shared Savings Program Credential Delegate Locked" in page.text
    assert page.text.count("Setup needed") == 1  # Mesa's


def test_a_fragment_of_a_page_asks_for_the_whole_page(newcomer):
    response = newcomer.get("/organizations/A9994/exports", headers={"HX-Request": "true"})

    assert response["HX-Refresh"] == "true"


# --- Authenticator apps -----------------------------------------------------------------------------------------------


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


# --- Recovery codes ---------------------------------------------------------------------------------------------------


def test_head_uses_up_nothing_that_is_shown_once(newcomer, visitor):
    """Mail servers and proxies look at links by HEAD."""
    refused = newcomer.head(APP)
    set_up_app(newcomer)

    heads = [newcomer.head(f"{PASSKEYS}/new"), newcomer.head("/account/second-step/codes")]
    heads.append(visitor.head("/sign-in/passkey"))

    assert [each.status_code for each in (refused, *heads)] == [405] * 4
    assert "GET" in refused["Allow"]
    assert len(recovery_codes_of(newcomer)) == 10


def test_a_recovery_code_works_once(newcomer, visitor, world, read):
    set_up_app(newcomer)
    codes = recovery_codes_of(newcomer)

    visitor.post("/sign-in", CREDENTIALS)
    came_in = visitor.post("/sign-in/second-step", {"code": codes[0]}, follow=True)
    again = Browser()
    again.post("/sign-in", CREDENTIALS)
    refused = again.post("/sign-in/second-step", {"code": codes[0]})

    assert is_in(visitor)
    assert "You used a recovery code. You have 9 left." in read(came_in).text
    assert refused.status_code == 400
    assert not is_in(again)


def test_they_are_shown_once(newcomer, read):
    set_up_app(newcomer)
    first = recovery_codes_of(newcomer)

    again = newcomer.get("/account/second-step/codes")

    assert len(first) == 10
    assert not set(first) & set(re.findall(r"\d{8}", again.content.decode()))
    assert "You have 10 of 10 codes left." in read(again).text


def test_new_ones_replace_the_former(newcomer, visitor):
    set_up_app(newcomer)
    old = recovery_codes_of(newcomer)
    newcomer.post("/account/second-step/codes/new")
    new = recovery_codes_of(newcomer)

    visitor.post("/sign-in", CREDENTIALS)
    by_old = visitor.post("/sign-in/second-step", {"code": old[0]}).status_code
    visitor.post("/sign-in/second-step", {"code": new[0]})

    assert by_old == 400
    assert is_in(visitor)
    assert AuditEvent.objects.filter(action=Action.RECOVERY_CODES_MADE).count() == 1


# --- Passkeys ---------------------------------------------------------------------------------------------------------


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


# --- Sessions, and taking away ----------------------------------------------------------------------------------------


def test_setting_it_up_ends_sessions_that_have_not_shown_it(newcomer, world, mails):
    thief = sign_in(Browser(), world.delegate, with_second_factor=False)
    key = newcomer.session.session_key

    set_up_app(newcomer)

    assert thief.get("/account").status_code == 302
    assert newcomer.get("/account").status_code == 200
    assert newcomer.session.session_key != key
    assert mails[-1].subject == "Claimsgate: An authenticator app was set up"


def test_a_session_that_has_not_shown_it_is_asked_to(newcomer, world, later):
    secret = set_up_app(newcomer)
    later(2)
    other = sign_in(Browser(), world.delegate, with_second_factor=False)

    asked = other.get("/organizations/A9994", follow=True)
    where = asked.redirect_chain[-1][0]
    other.post(where, {"code": code(secret)})

    assert where.startswith("/sign-in/again/code?next=")
    assert other.get("/organizations/A9994").status_code == 200


def test_removing_the_last_one_says_what_follows(newcomer, read):
    set_up_app(newcomer)

    question = read(newcomer.get(f"{APP}/remove"))
    newcomer.post(f"{APP}/remove")

    assert "You can’t open Harbor Care Alliance until you set up another method." in question.text
    assert not Authenticator.objects.exists()


def test_an_operator_helps_who_has_lost_it(newcomer, visitor, world, client, mails):
    set_up_app(newcomer)
    client.force_login(world.operator)
    chosen = Authenticator.objects.get(type="totp")

    client.post("/admin/mfa/authenticator/", {"action": "take_away", "_selected_action": [chosen.pk]})
    visitor.post("/sign-in", CREDENTIALS)

    assert not Authenticator.objects.exists()
    assert newcomer.get("/account").status_code == 302
    assert is_in(visitor)
    assert visitor.get("/organizations/A9994")["Location"].startswith("/account/second-step")
    event = AuditEvent.objects.get(action=Action.SECOND_FACTOR_REMOVED)
    assert (event.user, event.detail["by"]) == (world.delegate, "operator@gate.example")
    assert mails[-1].subject == "Claimsgate: Your two-factor authentication was removed"


def test_the_command_does_the_same(newcomer, world, capsys):
    set_up_app(newcomer)

    call_command("remove_second_factor", "Delegate@harbor.example")

    assert not Authenticator.objects.exists()
    for email, words in (
        ("nobody@harbor.example", "No user has"),
        ("delegate@harbor.example", "no two-factor authentication"),
    ):
        with pytest.raises(CommandError, match=words):
            call_command("remove_second_factor", email)


def test_the_administration_shows_no_key_and_lets_nobody_write_one(newcomer, world, client):
    secret = set_up_app(newcomer).replace(" ", "")
    client.force_login(world.operator)
    kept = Authenticator.objects.get(type="totp")

    page = client.get(f"/admin/mfa/authenticator/{kept.pk}/change/")
    changed = client.post(f"/admin/mfa/authenticator/{kept.pk}/change/", {"data": "{}"})

    assert secret not in page.content.decode()
    assert kept.data["secret"] not in page.content.decode()
    assert changed.status_code == 403


# --- Operators --------------------------------------------------------------------------------------------------------


@pytest.fixture
def operators_need_it(settings):
    settings.OPERATORS_NEED_SECOND_FACTOR = True


def test_the_administration_has_no_door_of_its_own(visitor, world):
    response = visitor.post("/admin/login/", {"username": world.operator.email, "password": PASSWORD})

    assert response["Location"] == "/sign-in?next=/admin/"
    assert not is_in(visitor)


def test_an_operator_needs_a_second_step(operators_need_it, world, read):
    operator = sign_in(Browser(), world.operator, with_second_factor=False)

    response = operator.get("/admin/credentials/user/", follow=True)

    assert response.redirect_chain[-1][0] == "/account/second-step?next=%2Fadmin%2Fcredentials%2Fuser%2F"
    assert "Operators need it to open the administration." in read(response).text
    set_up_app(operator)
    assert operator.get("/admin/credentials/user/").status_code == 200


def test_for_others_it_does_not_open_whatever_they_have(operators_need_it, delegate, read):
    response = delegate.get("/admin/", follow=True)

    assert response.status_code == 403
    assert "Only operators can open the administration." in read(response).text


def test_the_administration_signs_out_and_changes_passwords_as_the_portal_does(client, world):
    client.force_login(world.operator)

    changing = client.get("/admin/password_change/")
    leaving = client.post("/admin/logout/")

    assert changing["Location"] == "/account/password"
    assert leaving["Location"] == "/sign-in"
    assert not is_in(client)
