"""The first operator, made at a shell: no mail has to arrive before the administration opens."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.test import Client as Browser

from credentials.models import AuditEvent, User
from credentials.trail.audit import Action
from portal.sign_in import mail_addresses

EMAIL = "first@gate.example"
PASSWORD = "three small boats at dawn"


def said(*arguments: str) -> str:
    """What the command wrote to standard output: the link, and nothing else."""
    out = io.StringIO()
    call_command("create_operator", *arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue().strip()


def path_of(link: str, settings) -> str:
    assert link.startswith(settings.PUBLIC_URL)
    return link.removeprefix(settings.PUBLIC_URL)


def test_the_printed_link_leads_to_the_administration_without_a_mail(db, settings, mails):
    settings.OPERATORS_NEED_SECOND_FACTOR = False
    link = said(EMAIL, "--name", "First Operator")

    browser = Browser()
    form = browser.get(path_of(link, settings), follow=True)
    browser.post("/sign-in/new-password", {"password1": PASSWORD})
    mails.clear()
    signed_in = browser.post("/sign-in", {"login": EMAIL, "password": PASSWORD})
    administration = browser.get("/admin/")

    assert form.status_code == 200
    assert signed_in["Location"] == "/organizations"
    assert administration.status_code == 200
    assert not [mail for mail in mails if "onfirm" in mail.subject]


def test_the_operator_has_a_confirmed_address_no_password_and_an_event(db):
    said(EMAIL, "--name", "First Operator")

    operator = User.objects.get(email=EMAIL)
    assert (operator.name, operator.is_staff, operator.is_superuser) == ("First Operator", True, True)
    assert mail_addresses.is_verified(operator)
    assert not operator.has_usable_password()
    event = AuditEvent.objects.get(action=Action.PERSON_CREATED)
    assert (event.user, event.detail) == (None, {"person": EMAIL, "command": "create_operator"})


def test_a_link_that_was_lost_is_printed_anew_until_a_password_is_set(db, settings):
    said(EMAIL)
    link = said(EMAIL.upper())

    browser = Browser()
    browser.get(path_of(link, settings))
    browser.post("/sign-in/new-password", {"password1": PASSWORD})

    assert User.objects.get(email=EMAIL).check_password(PASSWORD)
    assert AuditEvent.objects.filter(action=Action.PERSON_CREATED).count() == 1
    with pytest.raises(CommandError, match="already has an account"):
        said(EMAIL)


def test_nobody_elses_account_is_opened(world):
    with pytest.raises(CommandError, match="already has an account"):
        said(world.delegate.email)

    world.delegate.refresh_from_db()
    assert not world.delegate.is_superuser


def test_what_is_no_address_is_refused(db):
    with pytest.raises(CommandError, match="“first” isn't a valid email address"):
        said("first")

    assert not User.objects.exists()
