"""Emails about a user's own sign-in leave as all others: a row in the transaction of the act, sent after it, once."""

import datetime as dt
import re
import smtplib

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.auth.tokens import default_token_generator
from django.core import mail
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client as Browser
from django.utils import timezone
from kombu.exceptions import OperationalError

from credentials import lifetimes
from credentials import tasks as chores
from credentials.models import PersonalMail
from portal.mail import personal, tasks
from portal.sign_in import mail_addresses
from tests.credentials.at_once import CALLERS, at_once
from tests.world import UserFactory

FORGOTTEN = "/sign-in/forgotten-password"
LINK = re.compile(r"link=(\S+)")
CHANGED = "account/email/password_changed"


@pytest.fixture
def queue(monkeypatch) -> list[int]:
    """What the broker was told, and no worker has taken yet."""
    told: list[int] = []
    monkeypatch.setattr(tasks.send_mail, "delay", lambda: told.append(1))
    return told


def ask(email: str):
    return Browser().post(FORGOTTEN, {"email": email})


def table() -> str:
    """All that the table holds, as text."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(string_agg(mail::text, chr(10)), '') FROM credentials_personalmail AS mail")
        return str(cursor.fetchone()[0])


def let_time_pass(length: dt.timedelta) -> None:
    for each in PersonalMail.objects.all():
        PersonalMail.objects.filter(pk=each.pk).update(
            next_attempt_at=each.next_attempt_at - length, created_at=each.created_at - length
        )


# --- Written with the act -------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_without_the_act_there_is_no_mail_and_no_worker_is_called(world, queue):
    with pytest.raises(RuntimeError), transaction.atomic():
        personal.write(CHANGED, world.delegate.email, {"person": world.delegate})
        tasks.send_soon()
        raise RuntimeError

    assert (PersonalMail.objects.count(), queue) == (0, [])


def test_neither_the_row_nor_the_broker_knows_the_link(world, queue, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        ask(world.delegate.email)
    stored = table()
    tasks.send_mail()

    link = LINK.search(mail.outbox[0].body)[1]
    token = link.partition("-")[2]
    assert default_token_generator.check_token(world.delegate, token)
    assert "delegate@harbor.example" in stored
    for text in (stored, table()):
        assert token not in text
        assert "link" not in text.replace("account/email/password_reset_key", "")
    assert queue == [1]


def test_of_what_allauth_says_only_known_facts_are_kept(world):
    personal.write(
        CHANGED, "a@b.example", {"user": world.delegate, "key": "K3Y", "activate_url": "u", "provider": "Id"}
    )

    row = PersonalMail.objects.get()
    assert (row.user, row.facts) == (world.delegate, {"provider": "Id"})


def test_the_link_that_confirms_an_address_is_made_by_the_worker(world):
    newcomer = UserFactory(email="new@harbor.example", has_verified_address=False)
    mail_addresses.current(newcomer)
    personal.write(
        PersonalMail.CONFIRMATION_LINK, newcomer.email, {"user": newcomer, "activate_url": "http://x/?key=1"}
    )

    tasks.send_mail()

    assert "key=" not in table()
    assert re.search(r"http://localhost:8000/\S+\?key=\S+", mail.outbox[0].body)


# --- Sent after it, once --------------------------------------------------------------------------------------------


def test_it_is_sent_once(world):
    personal.write(CHANGED, world.delegate.email, {"person": world.delegate})

    tasks.send_mail()
    tasks.send_mail()

    [message] = mail.outbox
    assert message.to == ["delegate@harbor.example"]
    assert message.extra_headers["Auto-Submitted"] == "auto-generated"
    assert PersonalMail.objects.get().sent_at is not None


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_send_it_once(world):
    for _ in range(5):
        personal.write(CHANGED, world.delegate.email, {"person": world.delegate})

    at_once(lambda _number: tasks.send_mail())

    assert CALLERS > 1
    assert len(mail.outbox) == 5


def test_sent_again_it_has_the_same_message_id(world):
    personal.write(CHANGED, world.delegate.email, {"person": world.delegate})
    tasks.send_mail()
    PersonalMail.objects.update(sent_at=None)

    tasks.send_mail()

    first, again = (message.extra_headers["Message-ID"] for message in mail.outbox)
    assert first == again


@pytest.mark.parametrize("email", ["delegate@harbor.example", "nobody@harbor.example"])
def test_while_the_broker_is_away_the_answer_is_the_same_and_the_mail_leaves_later(world, monkeypatch, email, caplog):
    def is_away() -> None:
        raise OperationalError("nobody there")

    monkeypatch.setattr(tasks.send_mail, "delay", is_away)
    monkeypatch.setattr(transaction, "on_commit", lambda act, **_: act())

    answer = ask(email)
    at_first = len(mail.outbox)
    tasks.send_mail()  # the next minute

    assert (answer.status_code, at_first) == (302, 0)
    assert "an email waits until it does" in caplog.text
    assert email not in caplog.text
    assert [message.to for message in mail.outbox] == ([[email]] if email.startswith("delegate") else [])


def test_while_the_mail_server_is_away_it_waits_and_says_why(world, monkeypatch):
    personal.write(CHANGED, world.delegate.email, {"person": world.delegate})

    def refuse(_mail) -> None:
        raise ConnectionRefusedError("no server")

    with monkeypatch.context() as patched:
        patched.setattr(personal, "send", refuse)
        tasks.send_mail()
    tasks.send_mail()
    too_early = len(mail.outbox)
    let_time_pass(dt.timedelta(minutes=1))
    tasks.send_mail()

    assert (too_early, len(mail.outbox)) == (0, 1)
    assert PersonalMail.objects.get().attempts == 2


def test_one_that_is_refused_holds_up_no_other_and_none_of_another_kind(world, monkeypatch):
    personal.write(CHANGED, "refused@harbor.example", {"person": world.delegate})
    personal.write(CHANGED, world.delegate.email, {"person": world.delegate})
    world.api_client()  # a notice
    sent = personal.send

    def refuse(row: PersonalMail) -> None:
        if row.email.startswith("refused"):
            raise smtplib.SMTPRecipientsRefused({})
        sent(row)

    monkeypatch.setattr(personal, "send", refuse)

    tasks.send_mail()

    assert [message.subject for message in mail.outbox] == [
        "Claimsgate: Your password was changed",
        "A client was created: ETL (A9994)",
    ]


# --- What is no longer needed ---------------------------------------------------------------------------------------


def test_whoever_asks_for_an_address_that_nobody_has_leaves_nothing_behind(db):
    ask("nobody@harbor.example")
    waiting = PersonalMail.objects.count()

    tasks.send_mail()

    assert (waiting, PersonalMail.objects.count()) == (1, 0)
    assert mail.outbox == []


def test_a_link_that_could_not_be_sent_for_an_hour_is_not_sent_any_more(world):
    ask(world.delegate.email)
    personal.write(CHANGED, world.delegate.email, {"person": world.delegate})
    let_time_pass(lifetimes.UNSENT_LINK)

    tasks.send_mail()

    assert [message.subject for message in mail.outbox] == ["Claimsgate: Your password was changed"]


def test_a_confirmed_address_is_not_asked_to_be_confirmed(world):
    personal.write(PersonalMail.CONFIRMATION_LINK, world.delegate.email, {"user": world.delegate})

    tasks.send_mail()

    assert (mail.outbox, PersonalMail.objects.count()) == ([], 0)


def test_after_a_week_rows_are_forgotten(world):
    personal.write(CHANGED, world.delegate.email, {"person": world.delegate})
    tasks.send_mail()
    chores.forget_ended_tokens()
    kept = PersonalMail.objects.count()
    PersonalMail.objects.update(created_at=timezone.now() - lifetimes.UNSENT_MAIL)

    chores.forget_ended_tokens()

    assert (kept, PersonalMail.objects.count()) == (1, 0)


# --- Processes of the release before --------------------------------------------------------------------------------


def test_what_they_ask_for_is_still_done(world):
    tasks.send_password_reset(email="Delegate@harbor.example")
    tasks.deliver(subject="Hello", text="Text", to=["a@b.example"])
    tasks.send_invitations()

    assert [message.to for message in mail.outbox] == [["delegate@harbor.example"], ["a@b.example"]]
    assert {
        task.name for task in (tasks.send_mail, tasks.send_invitations, tasks.send_password_reset, tasks.deliver)
    } == {
        "portal.tasks.send_notices",
        "portal.tasks.send_invitations",
        "portal.tasks.send_password_reset",
        "portal.tasks.deliver",
    }


def test_removing_a_second_factor_by_the_command_is_told_through_the_same_rows(world):
    Authenticator.objects.create(user=world.delegate, type=Authenticator.Type.TOTP, data={})

    call_command("remove_second_factor", world.delegate.email)
    waiting = PersonalMail.objects.count()
    tasks.send_mail()

    assert waiting == 1
    assert mail.outbox[0].subject == "Claimsgate: Your two-factor authentication was removed"
