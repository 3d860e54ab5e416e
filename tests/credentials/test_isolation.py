"""Reminders, mail and what else is done for all organizations, beside rows that cannot be dealt with."""

import contextlib
import datetime as dt
import logging
import smtplib

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from django.core import mail
from django.db import OperationalError, connection
from django.utils import timezone

from credentials import notices, secret_text, tasks
from credentials.isolation import isolated
from credentials.models import (
    AccessToken,
    AuditEvent,
    CallCount,
    Client,
    ClientSecret,
    Invitation,
    Notice,
    RefusedCalls,
    Role,
    SpentAssertion,
)
from credentials.people import invitations
from credentials.trail import refusals
from credentials.trail.audit import Action
from portal.mail import emails
from tests import poison
from tests.world import MembershipFactory, OrganizationFactory

Kind = Notice.Kind
DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)

# Each row is changed in a transaction of its own.
committed = pytest.mark.django_db(transaction=True)


# --- One turn of a loop ---------------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_what_goes_wrong_in_one_turn_is_logged_with_its_row_and_the_loop_goes_on(caplog):
    done = []

    for number in range(3):
        with isolated("Job", number):
            if number == 1:
                raise RuntimeError("damaged")
            done.append(number)

    assert done == [0, 2]
    [record] = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "Job 1 failed. The others continue.")
    assert record.exc_info is not None


@pytest.mark.django_db
@pytest.mark.parametrize("end", [SoftTimeLimitExceeded, KeyboardInterrupt, SystemExit])
def test_a_task_whose_time_is_over_ends_the_loop(end):
    with pytest.raises(end), isolated("Job", 1):
        raise end


@committed
def test_without_a_database_the_loop_ends(monkeypatch):
    def refuse() -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "connect", refuse)
    connection.close()

    with pytest.raises(OperationalError), isolated("Job", 1):
        raise RuntimeError


# --- Reminders ------------------------------------------------------------------------------------------------------


@pytest.fixture
def clients(world) -> list[Client]:
    """One client of Harbor, which came first, and 50 of others, all with someone to be told."""
    first = world.api_client().client
    Notice.objects.all().delete()
    organizations = [
        MembershipFactory(user__email=f"delegate{number}@others.example").organization for number in range(5)
    ]
    others = Client.objects.bulk_create(
        Client(organization=each, name=f"Client {number}") for each in organizations for number in range(10)
    )
    ClientSecret.objects.bulk_create(
        ClientSecret(
            client=each, slot=1, digest=secret_text.digest(each.client_id), expires_at=timezone.now() + 90 * DAY
        )
        for each in others
    )
    return [first, *others]


@contextlib.contextmanager
def unreadable_time(client):
    poison.write(client, last_failed_at=poison.BEFORE_CHRIST)
    poison.write(client.secrets.get(), last_used_at=poison.BEFORE_CHRIST)
    with poison.read_as_psycopg_does():
        yield


@contextlib.contextmanager
def unknown_program(client):
    poison.write(client.organization, program_code="XYZ", program="XYZ")
    yield


@contextlib.contextmanager
def notices_are_refused(client):
    """The database takes no notice for this organization."""
    with connection.cursor() as cursor:
        refused = client.organization_id
        cursor.execute(f"ALTER TABLE credentials_notice ADD CONSTRAINT poisoned CHECK (organization_id <> {refused})")
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE credentials_notice DROP CONSTRAINT poisoned")


POISONS_OF_CLIENTS = (unreadable_time, unknown_program, notices_are_refused)


@committed
@pytest.mark.parametrize("kind", POISONS_OF_CLIENTS, ids=lambda kind: kind.__name__)
def test_50_secrets_are_told_to_expire_beside_a_poisoned_one(clients, kind):
    ClientSecret.objects.update(expires_at=timezone.now() + 5 * DAY)

    with kind(clients[0]):
        tasks.write_reminders()

    assert Notice.objects.filter(kind=Kind.SECRET_EXPIRING, client__in=clients[1:]).count() == 50


@committed
@pytest.mark.parametrize("kind", POISONS_OF_CLIENTS, ids=lambda kind: kind.__name__)
def test_50_unused_clients_are_told_beside_a_poisoned_one(clients, kind):
    Client.objects.update(last_used_at=timezone.now() - 61 * DAY)

    with kind(clients[0]):
        tasks.write_reminders()

    assert Notice.objects.filter(kind=Kind.CLIENT_UNUSED, client__in=clients[1:]).count() == 50


# --- Mail -----------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def unknown_kind(notice):
    poison.write(notice, kind="greeting")
    yield


@contextlib.contextmanager
def unknown_facts(notice):
    poison.write(notice, facts="{}")
    yield


@contextlib.contextmanager
def impossible_time(notice):
    poison.write(notice, facts='{"hint": "abcd", "expires_at": "9999-12-31T23:59:59-14:00"}')
    yield


@contextlib.contextmanager
def no_address(notice):
    poison.write(notice.user, email="nobody")
    yield


@contextlib.contextmanager
def unreadable_row(notice):
    poison.write(notice.client, last_failed_at=poison.BEFORE_CHRIST)
    with poison.read_as_psycopg_does():
        yield


@contextlib.contextmanager
def refused_by_the_database(notice):
    with poison.refused_by_the_database(notice):
        yield


POISONS_OF_NOTICES = (unknown_kind, unknown_facts, impossible_time, no_address, unreadable_row, refused_by_the_database)


@committed
@pytest.mark.parametrize("kind", POISONS_OF_NOTICES, ids=lambda kind: kind.__name__)
def test_50_messages_are_sent_beside_a_poisoned_one(clients, kind):
    ClientSecret.objects.update(expires_at=timezone.now() + 5 * DAY)
    tasks.write_reminders()
    bad, *good = Notice.objects.order_by("pk")

    with kind(bad):
        notices.send_due(emails.send)
        notices.send_due(emails.send)

    assert len(good) == 50
    assert not Notice.objects.filter(pk__in=[each.pk for each in good], sent_at=None).exists()
    assert sum(message.to != [str(bad.user.email)] for message in mail.outbox) >= 50


@pytest.mark.django_db
def test_a_message_that_cannot_be_written_is_tried_later_and_says_why(world, caplog):
    world.api_client()
    notice = Notice.objects.get()
    poison.write(notice, kind="greeting")

    assert notices.send_due(emails.send) == 0

    notice.refresh_from_db()
    assert (notice.attempts, notice.sent_at) == (1, None)
    assert notice.next_attempt_at > timezone.now()
    assert "greeting" in notice.last_error
    assert f"Notice {notice.pk} can't be sent." in caplog.text


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("error", "is_about_one"),
    [
        (smtplib.SMTPDataError(554, b"content refused"), True),
        (smtplib.SMTPNotSupportedError("SMTPUTF8"), True),
        (smtplib.SMTPDataError(451, b"too busy"), False),
        (smtplib.SMTPAuthenticationError(535, b"who are you"), False),
        (TimeoutError(), False),
    ],
)
def test_the_others_are_tried_as_well_when_one_message_alone_was_refused(world, error, is_about_one):
    MembershipFactory(organization=world.harbor, user__email="second@harbor.example")
    world.api_client()
    tried = []

    def send(notice: Notice) -> None:
        tried.append(notice)
        if len(tried) == 1:
            raise error

    sent = notices.send_due(send)

    assert (sent, len(tried)) == ((1, 2) if is_about_one else (0, 1))
    assert [notice.attempts for notice in Notice.objects.order_by("pk")] == [1, int(is_about_one)]


@committed
@pytest.mark.parametrize("kind", ["no address", "refused by the database", "unreadable time"])
def test_50_invitations_are_sent_beside_a_poisoned_one(world, kind):
    bad, *_ = _invitations(world, expires_at=timezone.now() + DAY)
    with _poisoned_invitation(bad, kind):
        assert invitations.send_due(emails.send_invitation) == 50

    assert Invitation.objects.exclude(pk=bad.pk).exclude(sent_at=None).count() == 50


@committed
@pytest.mark.parametrize("kind", ["refused by the database", "unreadable time"])
def test_50_invitations_are_forgotten_beside_a_poisoned_one(world, kind):
    bad, *_ = _invitations(world, expires_at=timezone.now() - 31 * DAY)
    with _poisoned_invitation(bad, kind):
        tasks.forget_expired_invitations()

    assert Invitation.objects.exclude(pk=bad.pk).filter(email="").exclude(withdrawn_at=None).count() == 50


def _invitations(world, *, expires_at: dt.datetime) -> list[Invitation]:
    """One of Harbor, which came first, and 50 of others."""
    others = [OrganizationFactory() for _ in range(5)]
    return [
        Invitation.objects.create(
            organization=world.harbor if number == 0 else others[number % 5],
            email=f"invited{number}@others.example",
            role=Role.CREDENTIAL_DELEGATE,
            expires_at=expires_at,
        )
        for number in range(51)
    ]


@contextlib.contextmanager
def _poisoned_invitation(invitation: Invitation, kind: str):
    with contextlib.ExitStack() as stack:
        if kind == "no address":
            poison.write(invitation, email="nobody")
        elif kind == "unreadable time":
            poison.write(invitation, created_at=poison.BEFORE_CHRIST)
            stack.enter_context(poison.read_as_psycopg_does())
        else:
            stack.enter_context(poison.refused_by_the_database(invitation))
        yield


# --- Refused calls, and what is forgotten ---------------------------------------------------------------------------


@committed
def test_50_refusals_are_written_down_beside_poisoned_ones(world):
    client = world.api_client().client
    minute = timezone.now().replace(second=0, microsecond=0) - HOUR
    rows = [
        RefusedCalls.objects.create(
            client=client, action=Action.TOKEN_REFUSED, reason="invalid_client", count=2, minute=minute - number * HOUR
        )
        for number in range(52)
    ]
    unknown, unreadable, *healthy = rows
    poison.write(unknown, action="token.eaten")
    poison.write(unreadable, minute=poison.BEFORE_CHRIST)

    with poison.read_as_psycopg_does():
        written = refusals.write_down_past_minutes()

    assert written == len(healthy) == 50
    assert AuditEvent.objects.filter(action=Action.TOKEN_REFUSED, detail__more=1).count() == 50
    assert set(RefusedCalls.objects.values_list("pk", flat=True)) == {unknown.pk, unreadable.pk}


@committed
def test_what_is_over_of_each_kind_is_forgotten_though_one_kind_cannot_be(world):
    api = world.api_client().sign_in()
    long_ago = timezone.now() - 2 * DAY
    AccessToken.objects.update(expires=long_ago)
    SpentAssertion.objects.create(client=api.client, jti_digest=b"x" * 32, expires_at=long_ago)
    CallCount.objects.create(key="x", ends_at=long_ago, count=1)

    with poison.refused_by_the_database(AccessToken.objects.get()):
        tasks.forget_ended_tokens()

    assert AccessToken.objects.count() == 1
    assert not SpentAssertion.objects.exists()
    assert not CallCount.objects.filter(ends_at=long_ago).exists()
