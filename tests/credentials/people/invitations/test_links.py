"""What the link of an invitation opens, and for how long."""

import datetime as dt

import pytest
from django.core import signing
from django.utils import timezone

from credentials.access.reasons import Reason
from credentials.actor import Actor
from credentials.models import Invitation, Role, User
from credentials.people import invitations
from credentials.people.invitations import Key
from credentials.people.team_rules import NotManagingError
from credentials.tasks import forget_expired_invitations
from credentials.trail.audit import Action
from tests.credentials.people.invitations.acts import EMAIL, events, invite, join, key, reason_for


def test_the_link_cannot_be_made_without_the_secret_key(world, settings):
    invitation = invite(world)
    token = invitations.token_of(invitation)
    settings.SECRET_KEY = "another"
    forged = invitations.token_of(invitation)
    settings.SECRET_KEY = "a third"

    assert invitations.key_of(token) is invitations.key_of(forged) is None
    settings.SECRET_KEY_FALLBACKS = ["another"]
    assert invitations.key_of(forged) == key(invitation)


def test_what_was_signed_for_something_else_opens_nothing(world):
    invitation = invite(world)

    other = signing.dumps([invitation.pk, invitation.nonce], salt="something else")

    assert invitations.key_of(other) is None
    assert invitations.key_of("x" * 5000) is invitations.key_of("") is invitations.key_of("é:\0:1") is None


def test_the_database_does_not_know_the_link(world):
    invitation = invite(world)
    token = invitations.token_of(invitation)

    row = Invitation.objects.values().get()

    assert not [value for value in row.values() if value and str(value) in token and len(str(value)) > 4]


def test_the_link_opens_its_invitation_and_no_other(world):
    ours = invite(world)
    theirs = invite(world, organization=world.mesa, by=Actor(user=world.stranger), role=Role.DUA_CUSTODIAN)

    assert invitations.found(invitations.key_of(invitations.token_of(ours))) == ours
    assert reason_for(lambda: invitations.found(Key(theirs.pk, ours.nonce))) == Reason.INVITATION_REPLACED
    assert reason_for(lambda: join(Invitation(pk=theirs.pk, nonce=ours.nonce))) == Reason.INVITATION_REPLACED
    assert reason_for(lambda: invitations.found(Key(theirs.pk + 1, ours.nonce))) == Reason.INVITATION_UNKNOWN
    assert reason_for(lambda: invitations.found(None)) == Reason.INVITATION_UNKNOWN
    assert not User.objects.filter(email=EMAIL).exists()


def test_a_link_that_was_sent_again_replaces_the_former_one(world):
    former = invite(world)
    Invitation.objects.update(expires_at=timezone.now(), sent_at=timezone.now())

    latter = invitations.resend(former, by=Actor(user=world.delegate))

    assert reason_for(lambda: join(former)) == Reason.INVITATION_REPLACED
    assert latter.sent_at is None
    assert join(latter).organization == world.harbor
    assert [event.detail["email"] for event in events(Action.INVITATION_SENT_AGAIN)] == [EMAIL]


def test_a_withdrawn_invitation_opens_nothing_and_forgets_the_person(world):
    invitation = invite(world, name="New Person")

    assert invitations.withdraw(invitation, by=Actor(user=world.delegate))
    assert not invitations.withdraw(invitation, by=Actor(user=world.delegate))

    assert reason_for(lambda: join(invitation)) == Reason.INVITATION_WITHDRAWN
    assert reason_for(lambda: invitations.resend(invitation, by=Actor(user=world.delegate))) == Reason.INVITATION_OVER
    row = Invitation.objects.get()
    assert (row.email, row.name, row.withdrawn_by) == ("", "", world.delegate)
    assert [event.detail["email"] for event in events(Action.INVITATION_WITHDRAWN)] == [EMAIL]
    assert invite(world).is_open


def test_an_invitation_that_expired_long_ago_forgets_the_person(world):
    long_ago, lately = invite(world, name="New Person"), invite(world, email="other@harbor.example")
    now = timezone.now()
    for invitation, days in ((long_ago, 31), (lately, 29)):
        Invitation.objects.filter(pk=invitation.pk).update(expires_at=now - dt.timedelta(days=days))

    forget_expired_invitations()

    long_ago.refresh_from_db()
    assert (long_ago.email, long_ago.name, long_ago.is_open) == ("", "", False)
    assert [event.detail["email"] for event in events(Action.INVITATION_WITHDRAWN)] == [EMAIL]
    assert invitations.resend(lately, by=Actor(user=world.delegate)).email == "other@harbor.example"


@pytest.mark.parametrize("verb", [invitations.resend, invitations.withdraw])
@pytest.mark.parametrize("who", ["colleague", "stranger"])
def test_others_neither_send_again_nor_withdraw(world, verb, who):
    invitation = invite(world)

    with pytest.raises(NotManagingError):
        verb(invitation, by=Actor(user=getattr(world, who)))

    assert invitations.found(key(invitation)).is_open
