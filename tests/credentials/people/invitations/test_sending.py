"""Invitations: who may send them, and to whom."""

import datetime as dt

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from credentials.actor import Actor
from credentials.models import Invitation, Membership, Role
from credentials.people import invitations, organizations
from credentials.people.team_rules import NotManagingError, RoleRefusedError
from credentials.trail.audit import Action
from tests.credentials.people.invitations.acts import EMAIL, events, invite


def test_a_person_is_invited_for_48_hours_and_it_is_written_down(world):
    invitation = invite(world, name="New Person")

    left = invitation.expires_at - timezone.now()
    assert dt.timedelta(hours=47, minutes=59) < left <= dt.timedelta(hours=48)
    (event,) = events(Action.INVITATION_SENT)
    assert (event.user, event.organization) == (world.delegate, world.harbor)
    assert (event.detail["email"], event.detail["role"]) == (EMAIL, "Credential Delegate")
    assert invitation.nonce not in str(event.detail)
    assert not Membership.objects.filter(user__email=EMAIL).exists()


@pytest.mark.parametrize("email", [EMAIL, "New@Harbor.example", " new@harbor.example "])
def test_an_address_has_one_open_invitation_an_organization(world, email):
    invite(world)

    with pytest.raises(invitations.AlreadyInvitedError, match="already invited"):
        invite(world, email)

    assert Invitation.objects.count() == len(events(Action.INVITATION_SENT)) == 1


def test_the_database_itself_allows_one(world):
    first = invite(world)

    with pytest.raises(IntegrityError), transaction.atomic():
        Invitation.objects.create(
            organization=world.harbor, email=EMAIL.upper(), role="credential_delegate", expires_at=first.expires_at
        )


def test_another_organization_can_invite_the_same_address(world):
    invite(world)

    invite(world, organization=world.mesa, by=Actor(user=world.stranger), role=Role.DUA_CUSTODIAN)

    assert Invitation.objects.count() == 2


def test_who_is_a_member_is_not_invited(world):
    with pytest.raises(invitations.AlreadyMemberError, match="is already a team member of Harbor Care Alliance"):
        invite(world, "Colleague@harbor.example")

    assert not Invitation.objects.exists()


@pytest.mark.parametrize(
    "email",
    [
        *("", "nobody", "a@b", "a b@harbor.example", '"a b"@harbor.example', "a@harbor.example\nBcc: all@x.example"),
        *("a@harbor.example,b@harbor.example", "ﬀ@harbor.example", "\u212aay@harbor.example", "a@hаrbor.example"),
    ],
)
def test_what_is_no_plain_address_is_refused(world, email):
    with pytest.raises(invitations.AddressRefusedError):
        invite(world, email)

    assert not Invitation.objects.exists()


def test_line_breaks_in_a_name_become_spaces(world):
    assert invite(world, name="New\r\nBcc: all@x.example").name == "New Bcc: all@x.example"


@pytest.mark.parametrize("who", ["colleague", "stranger", "operator", None])
def test_only_who_manages_the_organizations_credentials_invites(world, who):
    by = getattr(world, who) if who else None

    with pytest.raises(NotManagingError):
        invite(world, by=Actor(user=by))

    assert not Invitation.objects.exists()


def test_an_operator_invites_the_first_person(world):
    empty = organizations.create_organization(
        entity_id="K0042", name="Kidney Care", program_code="KCF", by=Actor(user=world.operator)
    )

    invite(world, organization=empty, by=Actor(user=world.operator), as_operator=True, role=Role.EXECUTIVE_CONTACT)

    assert Invitation.objects.get().organization == empty


@pytest.mark.parametrize(
    ("who", "role"), [("delegate", Role.DUA_CUSTODIAN), ("stranger", Role.CREDENTIAL_DELEGATE), ("delegate", "owner")]
)
def test_a_role_that_the_program_does_not_have_is_refused(world, who, role):
    organization = world.mesa if who == "stranger" else world.harbor

    with pytest.raises(RoleRefusedError, match="Choose one of these roles"):
        invite(world, organization=organization, by=Actor(user=getattr(world, who)), role=role)

    assert not Invitation.objects.exists()


def test_nobody_can_fill_mailboxes(world, monkeypatch):
    monkeypatch.setattr(invitations, "SENT_AT_MOST", 2)
    invitation = invite(world)
    invitation = invitations.resend(invitation, by=Actor(user=world.delegate))

    for act in (
        lambda: invitations.resend(invitation, by=Actor(user=world.delegate)),
        lambda: invite(world, "b@harbor.example"),
    ):
        with pytest.raises(invitations.TooManyInvitationsError, match="try again"):
            act()

    assert Invitation.objects.count() == 1
