"""Whoever accepts an invitation joins, once."""

import pytest
from django.utils import timezone

from credentials.access.reasons import Reason
from credentials.actor import Actor
from credentials.models import AuditEvent, Invitation, Membership, Notice, Organization, Role, User
from credentials.people import invitations, team
from credentials.programs import REACH
from credentials.trail.audit import Action
from tests.credentials.at_once import CALLERS, at_once
from tests.credentials.people.invitations.acts import EMAIL, PASSWORD, accept, events, invite, join, key, reason_for
from tests.world import MembershipFactory, UserFactory, World

# --- To accept ------------------------------------------------------------------------------------------------------


def test_a_new_person_joins_once(world):
    invitation = invite(world, name="As invited")

    membership = join(invitation, "New\nPerson")

    person = User.objects.get(email=EMAIL)
    assert (membership.user, membership.organization) == (person, world.harbor)
    assert membership.role == Role.CREDENTIAL_DELEGATE
    assert person.name == "New Person"
    assert person.check_password(PASSWORD)
    assert not person.is_staff
    assert not person.is_superuser
    row = Invitation.objects.get()
    assert (row.email, row.name, row.accepted_by) == ("", "", person)
    (event,) = events(Action.INVITATION_ACCEPTED)
    assert (event.user, event.organization, event.detail["takes_responsibility"]) == (person, world.harbor, True)
    assert reason_for(lambda: join(invitation)) == Reason.INVITATION_ACCEPTED
    assert reason_for(lambda: accept(invitation, person)) == Reason.INVITATION_ACCEPTED
    assert Membership.objects.for_organization(world.harbor).count() == 3


def test_a_person_whom_we_know_joins_with_the_same_account(world):
    person = UserFactory(email="Known@harbor.example")
    invitation = invite(world, "known@harbor.example")

    membership = accept(invitation, person)

    assert membership.user == person
    assert User.objects.filter(email__iexact="known@harbor.example").count() == 1


def test_nobody_takes_over_the_account_of_somebody_whom_we_know(world):
    person = UserFactory(email="known@harbor.example")
    invitation = invite(world, "Known@harbor.example")

    assert reason_for(lambda: join(invitation)) == Reason.INVITATION_ANOTHER_PERSON

    person.refresh_from_db()
    assert not person.check_password(PASSWORD)
    assert invitations.found(key(invitation)).is_open


@pytest.mark.parametrize("who", ["stranger", "switched off"])
def test_somebody_else_cannot_accept(world, who):
    switched_off = UserFactory(email=EMAIL, is_active=False)
    invitation = invite(world)

    person = world.stranger if who == "stranger" else switched_off
    assert reason_for(lambda: accept(invitation, person)) == Reason.INVITATION_ANOTHER_PERSON

    assert not Membership.objects.filter(organization=world.harbor, user=person).exists()


def test_after_48_hours_it_is_over(world):
    invitation = invite(world)
    Invitation.objects.update(expires_at=timezone.now())

    assert reason_for(lambda: join(invitation)) == Reason.INVITATION_EXPIRED

    assert not User.objects.filter(email=EMAIL).exists()


def test_a_role_that_the_program_has_no_more_is_not_given(world):
    invitation = invite(world)
    Organization.objects.filter(pk=world.harbor.pk).update(entity_id="D9994", **Organization.columns_of(REACH))

    assert reason_for(lambda: join(invitation)) == Reason.INVITATION_ROLE_GONE

    assert not User.objects.filter(email=EMAIL).exists()


def test_who_has_become_a_member_meanwhile_keeps_the_role(world):
    person = UserFactory(email=EMAIL)
    invitation = invite(world)
    MembershipFactory(organization=world.harbor, user=person, role=Role.DUA_CUSTODIAN)

    membership = accept(invitation, person)

    assert membership.role == Role.DUA_CUSTODIAN
    assert not Invitation.objects.open().exists()


def test_the_other_delegates_are_told_who_has_joined(world):
    join(invite(world))

    told = [(notice.kind, notice.user, notice.facts["email"]) for notice in Notice.objects.all()]
    assert told == [(Notice.Kind.MEMBER_JOINED, world.delegate, EMAIL)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_known", [True, False])
def test_of_many_acceptances_at_once_one_counts(is_known):
    world = World()
    person = UserFactory(email=EMAIL) if is_known else None
    invitation = invite(world)

    def act(_number: int) -> Membership:
        return accept(invitation, person) if person else join(invitation)

    answers = at_once(act)

    assert sum(isinstance(answer, Membership) for answer in answers) == 1
    others = [answer for answer in answers if not isinstance(answer, Membership)]
    assert {(type(answer), answer.reason) for answer in others} == {
        (invitations.InvitationOverError, Reason.INVITATION_ACCEPTED)
    }
    assert len(others) == CALLERS - 1
    assert Membership.objects.filter(organization=world.harbor, user__email=EMAIL).count() == 1
    assert len(events(Action.INVITATION_ACCEPTED)) == 1


@pytest.mark.django_db(transaction=True)
def test_of_an_acceptance_and_a_withdrawal_at_once_one_counts():
    world = World()
    invitation = invite(world)

    answers = at_once(
        lambda number: (
            join(invitation) if number % 2 else invitations.withdraw(invitation, by=Actor(user=world.delegate))
        )
    )

    is_in = Membership.objects.filter(user__email=EMAIL).exists()
    was_withdrawn = True in answers
    assert is_in is not was_withdrawn
    row = Invitation.objects.get()
    assert (row.accepted_at is None) is not (row.withdrawn_at is None)


@pytest.mark.django_db(transaction=True)
def test_of_many_invitations_of_one_address_at_once_one_is_made():
    world = World()

    answers = at_once(lambda _number: invite(world))

    assert sum(isinstance(answer, Invitation) for answer in answers) == Invitation.objects.count() == 1


def test_what_a_removed_delegate_has_sent_is_withdrawn(world):
    second = MembershipFactory(organization=world.harbor)
    invitation = invite(world, by=Actor(user=second.user))
    theirs = invite(world, "other@harbor.example")

    team.remove(second, revoke=False, by=Actor(user=world.delegate))

    assert reason_for(lambda: join(invitation)) == Reason.INVITATION_WITHDRAWN
    assert invitations.found(key(theirs)).is_open


# --- Written down ---------------------------------------------------------------------------------------------------


def test_a_refused_link_is_written_down_once_in_a_while(world):
    invitation = invite(world)
    caller = Actor(address="8.8.4.4", request_id="abc")

    for reason in (Reason.INVITATION_WITHDRAWN, Reason.INVITATION_WITHDRAWN, Reason.INVITATION_EXPIRED):
        invitations.write_down_refusal(invitation, reason=reason, by=caller)

    found = events(Action.INVITATION_REFUSED)
    assert [event.detail["reason"] for event in found] == ["invitation_withdrawn", "invitation_expired"]
    assert {(event.organization, event.outcome, event.address) for event in found} == {
        (world.harbor, AuditEvent.Outcome.DENIED, "8.8.4.4")
    }
