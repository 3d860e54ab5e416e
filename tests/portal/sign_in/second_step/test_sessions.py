"""Sessions that have not shown a second step, and what follows when it is taken away."""

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError, call_command
from django.test import Client as Browser

from credentials.models import AuditEvent
from credentials.trail.audit import Action
from tests.authenticators import code
from tests.portal.sign_in.second_step.factors import APP, CREDENTIALS, is_in, set_up_app
from tests.world import sign_in


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
    assert (event.user, event.detail["person"]) == (world.operator, "delegate@harbor.example")
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
