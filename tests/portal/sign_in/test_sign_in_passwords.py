import datetime as dt
import re

import pytest
from django.contrib import auth
from django.contrib.auth.tokens import PasswordResetTokenGenerator, default_token_generator
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from credentials.models import AuditEvent
from credentials.trail.audit import Action
from portal.mail import tasks
from portal.sign_in import mail_addresses
from tests.world import PASSWORD, UserFactory, sign_in

NEW = "three small boats at dawn"
FORGOTTEN = "/sign-in/forgotten-password"
LINK = re.compile(r"http://localhost:8000(/sign-in/new-password\?link=\S+)")


@pytest.fixture
def visitor(world) -> Browser:
    return Browser()


def link_for(visitor: Browser, email: str, mails) -> str:
    visitor.post(FORGOTTEN, {"email": email})
    return LINK.search(mails[-1].body)[1]


def test_a_forgotten_password_is_set_anew_by_mail(visitor, world, mails, read):
    asked = visitor.post(FORGOTTEN, {"email": "Delegate@harbor.example"}, follow=True)
    link = LINK.search(mails[0].body)[1]
    opened = visitor.get(link)
    form = visitor.get(opened["Location"])
    done = visitor.post(opened["Location"], {"password1": NEW})

    assert "If there’s an account with this email address" in read(asked).text
    assert mails[0].to == ["delegate@harbor.example"]
    assert opened["Location"] == "/sign-in/new-password"
    assert "Set your password" in read(form).text
    assert done["Location"] == "/sign-in"
    world.delegate.refresh_from_db()
    assert world.delegate.check_password(NEW)
    assert auth.SESSION_KEY not in visitor.session


def test_the_answer_is_the_same_for_an_address_that_nobody_has(visitor, mails):
    pages = [
        visitor.post(FORGOTTEN, {"email": email}, follow=True).content
        for email in ("delegate@harbor.example", "nobody@harbor.example")
    ]

    assert pages[0] == pages[1]
    assert len(mails) == 1


def test_it_asks_the_database_and_the_worker_the_same(visitor, monkeypatch, django_capture_on_commit_callbacks):
    handed_over, asked = [], []
    monkeypatch.setattr(tasks.send_mail, "delay", lambda **facts: handed_over.append(facts))
    for email in ("delegate@harbor.example", "nobody@harbor.example"):
        with CaptureQueriesContext(connection) as queries, django_capture_on_commit_callbacks(execute=True):
            visitor.post(FORGOTTEN, {"email": email})
        asked.append([query["sql"] for query in queries])

    statements = [[re.sub(r"'[^']*'", "?", sql) for sql in each] for each in asked]
    assert statements[0] == statements[1]
    assert not [sql for sql in statements[0] if "credentials_user" in sql]
    assert handed_over == [{}, {}]


def test_somebody_who_may_not_sign_in_gets_no_link(visitor, world, mails):
    world.delegate.is_active = False
    world.delegate.save()

    visitor.post(FORGOTTEN, {"email": "delegate@harbor.example"})

    assert mails == []


def test_a_person_without_a_password_gets_a_first_one(visitor, world, mails):
    person = UserFactory(email="new@harbor.example", has_verified_address=False)
    person.set_unusable_password()
    person.save()

    visitor.get(link_for(visitor, "new@harbor.example", mails))
    visitor.post("/sign-in/new-password", {"password1": NEW})

    person.refresh_from_db()
    assert person.check_password(NEW)
    assert mail_addresses.is_verified(person)


def test_a_link_works_once(visitor, world, mails, read):
    link = link_for(visitor, "delegate@harbor.example", mails)
    visitor.get(link)
    visitor.post("/sign-in/new-password", {"password1": NEW})

    visitor.get(link)
    again = visitor.post("/sign-in/new-password", {"password1": "somebody else's password"})

    assert again.status_code == 410
    assert "This link is no longer valid" in read(again).text
    world.delegate.refresh_from_db()
    assert world.delegate.check_password(NEW)


def test_a_link_works_for_an_hour(visitor, world, mails, monkeypatch):
    link = link_for(visitor, "delegate@harbor.example", mails)
    later = default_token_generator._now() + dt.timedelta(minutes=61)
    monkeypatch.setattr(PasswordResetTokenGenerator, "_now", lambda _: later)

    visitor.get(link)

    assert visitor.post("/sign-in/new-password", {"password1": NEW}).status_code == 410
    world.delegate.refresh_from_db()
    assert world.delegate.check_password(PASSWORD)


@pytest.mark.parametrize(
    "link", ["", "-", "1-", "zzzzzzzzzzzzzzz-abc", "!-abc", "1-abc-def", "1-cw0abc-00000000000000000000000000000000"]
)
def test_a_made_up_link_opens_nothing(visitor, link):
    visitor.get("/sign-in/new-password", {"link": link})

    assert visitor.post("/sign-in/new-password", {"password1": NEW}).status_code == 410


def test_the_link_leads_to_the_public_address_whatever_the_request_said(visitor, world, mails, settings):
    settings.ALLOWED_HOSTS = ["*"]

    visitor.post(FORGOTTEN, {"email": "delegate@harbor.example"}, headers={"Host": "evil.example"})

    assert "evil.example" not in mails[0].body
    assert LINK.search(mails[0].body)


def test_a_line_break_makes_no_second_recipient(visitor, mails):
    response = visitor.post(FORGOTTEN, {"email": "delegate@harbor.example\nBcc: me@evil.example"})

    assert response.status_code == 400
    assert mails == []


def test_nobody_floods_a_mailbox(visitor, world, mails):
    answers = [visitor.post(FORGOTTEN, {"email": "delegate@harbor.example"}).status_code for _ in range(6)]
    unknown = [visitor.post(FORGOTTEN, {"email": "nobody@harbor.example"}).status_code for _ in range(6)]

    assert answers == unknown == [302] * 4 + [429] * 2
    assert len(mails) == 4


def test_setting_it_by_mail_signs_out_everywhere_and_is_told_and_written_down(visitor, world, delegate, mails):
    visitor.get(link_for(visitor, "delegate@harbor.example", mails))
    visitor.post("/sign-in/new-password", {"password1": NEW})

    assert delegate.get("/account").status_code == 302
    assert mails[-1].subject == "Claimsgate: Your password was reset"
    event = AuditEvent.objects.get(action=Action.PASSWORD_CHANGED)
    assert (event.user, event.organization, event.detail["by_means_of"]) == (world.delegate, world.harbor, "mail")


def test_changing_it_ends_all_other_sessions_and_keeps_this_one(delegate, browse, world, mails):
    elsewhere = browse(world.delegate)
    old_key = delegate.session.session_key

    response = delegate.post("/account/password", {"oldpassword": PASSWORD, "password1": NEW})

    assert response["Location"] == "/account"
    assert delegate.get("/account").status_code == 200
    assert delegate.session.session_key != old_key
    assert elsewhere.get("/account").status_code == 302
    assert mails[0].subject == "Claimsgate: Your password was changed"
    assert AuditEvent.objects.get(action=Action.PASSWORD_CHANGED).detail["sessions_ended"] == 1


@pytest.mark.parametrize(
    ("password", "words"),
    [
        ("fourteen chars", "at least 15 characters"),
        ("1q2w3e4r5t6y7u8i", "too common"),
        ("delegate@harbor.example", "too similar"),
        ("", "Enter a new password."),
    ],
)
def test_a_weak_password_is_refused_with_the_reason(delegate, world, read, password, words):
    response = delegate.post("/account/password", {"oldpassword": PASSWORD, "password1": password})

    assert response.status_code == 400
    assert words in read(response).text
    world.delegate.refresh_from_db()
    assert world.delegate.check_password(PASSWORD)


@pytest.mark.parametrize(
    "password", ["four words are enough", "alllowercaseletters", "шесть слов на русском", "   aaaaaaaaaaaa"]
)
def test_nothing_is_said_of_how_a_password_is_composed(delegate, world, password):
    delegate.post("/account/password", {"oldpassword": PASSWORD, "password1": password})

    world.delegate.refresh_from_db()
    assert world.delegate.check_password(password)


def test_the_old_password_is_asked_for(delegate, world, read):
    response = delegate.post("/account/password", {"oldpassword": "wrong", "password1": NEW})

    assert "This isn’t your current password." in read(response).errors_of("id_oldpassword")
    world.delegate.refresh_from_db()
    assert world.delegate.check_password(PASSWORD)


def test_a_first_password_is_set_only_by_whoever_has_just_proven_something(world, mails):
    world.delegate.set_unusable_password()
    world.delegate.save()
    fresh, stale = sign_in(Browser(), world.delegate), sign_in(Browser(), world.delegate, ago=3000)

    late = stale.post("/account/first-password", {"password1": "an attacker's own one"})
    now = fresh.post("/account/first-password", {"password1": NEW})

    assert late["Location"].startswith("/sign-in?next=")
    assert now["Location"] == "/account"
    world.delegate.refresh_from_db()
    assert world.delegate.check_password(NEW)
