"""The mail of an invitation."""

import smtplib

from django.utils import timezone

from credentials.actor import Actor
from credentials.models import Invitation
from credentials.people import invitations
from tests.credentials.people.invitations.acts import EMAIL, invite


def test_each_mail_is_sent_once(world):
    invite(world)
    sent = []

    assert invitations.send_due(sent.append) == 1
    assert invitations.send_due(sent.append) == 0

    assert [each.email for each in sent] == [EMAIL]
    assert Invitation.objects.get().sent_at is not None


def test_what_is_over_is_not_sent(world):
    invitations.withdraw(invite(world), by=Actor(user=world.delegate))
    invite(world, "late@harbor.example")
    Invitation.objects.open().update(expires_at=timezone.now())
    sent = []

    assert invitations.send_due(sent.append) == 0


def test_a_server_that_is_away_is_asked_again_later(world):
    invite(world)

    def fail(_invitation):
        raise ConnectionRefusedError("no server")

    assert invitations.send_due(fail) == 0
    assert invitations.send_due(fail) == 0

    row = Invitation.objects.get()
    assert (row.attempts, row.sent_at) == (1, None)
    assert "no server" in row.last_error
    assert row.next_attempt_at > timezone.now()


def test_an_address_that_is_refused_holds_up_nobody_else(world):
    invite(world, "refused@harbor.example")
    invite(world)
    sent = []

    def send(invitation):
        if invitation.email.startswith("refused"):
            raise smtplib.SMTPRecipientsRefused({})
        sent.append(invitation.email)

    assert invitations.send_due(send) == 1
    assert sent == [EMAIL]
