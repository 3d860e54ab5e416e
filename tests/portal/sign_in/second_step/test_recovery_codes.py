"""Recovery codes."""

import re

from django.test import Client as Browser

from credentials.models import AuditEvent
from credentials.trail.audit import Action
from tests.portal.sign_in.second_step.factors import APP, CREDENTIALS, PASSKEYS, is_in, recovery_codes_of, set_up_app


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
