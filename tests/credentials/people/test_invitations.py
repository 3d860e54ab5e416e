"""Invitations: who may send them, what their links open, and for how long."""

import datetime as dt
import smtplib

import pytest
from django.core import signing
from django.db import IntegrityError, transaction
from django.test import RequestFactory
from django.utils import timezone

from credentials.access.reasons import Reason
from credentials.models import AuditEvent, Invitation, Membership, Notice, Organization, Program, Role, User
from credentials.people import invitations, organizations, team
from credentials.people.invitations import Key
from credentials.people.team_rules import NotManagingError, RoleRefusedError
from credentials.tasks import forget_expired_invitations
from credentials.trail.audit import Action
from tests.credentials.at_once import CALLERS, at_once
from tests.world import MembershipFactory, UserFactory, World

EMAIL = "new@harbor.example"
PASSWORD = "three small boats at dawn"


def invite(world, email: str = EMAIL, **facts) -> Invitation:
    facts = {"role": Role.CREDENTIAL_DELEGATE, "by": world.delegate, **facts}
    return invitations.invite(facts.pop("organization", world.harbor), email=email, **facts)


def key(invitation: Invitation) -> Key:
    return Key(invitation.pk, invitation.nonce)


def join(invitation: Invitation, name: str = "New Person") -> Membership:
    return invitations.accept_as_new_person(key(invitation), name=name, password=PASSWORD)


def reason_for(act) -> Reason:
    with pytest.raises(invitations.InvitationOverError) as refused:
        act()
    return refused.value.reason


def events(action: Action) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=action).order_by("pk"))


# --- To invite ------------------------------------------------------------------------------------------------------


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

    invite(world, organization=world.mesa, by=world.stranger, role=Role.DUA_CUSTODIAN)

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
        invite(world, by=by)

    assert not Invitation.objects.exists()


def test_an_operator_invites_the_first_person(world):
    empty = organizations.create_organization(
        entity_id="K0042", name="Kidney Care", program=Program.KCC, by=world.operator
    )

    invite(world, organization=empty, by=world.operator, as_operator=True, role=Role.EXECUTIVE_CONTACT)

    assert Invitation.objects.get().organization == empty


@pytest.mark.parametrize(
    ("who", "role"), [("delegate", Role.DUA_CUSTODIAN), ("stranger", Role.CREDENTIAL_DELEGATE), ("delegate", "owner")]
)
def test_a_role_that_the_program_does_not_have_is_refused(world, who, role):
    organization = world.mesa if who == "stranger" else world.harbor

    with pytest.raises(RoleRefusedError, match="Choose one of these roles"):
        invite(world, organization=organization, by=getattr(world, who), role=role)

    assert not Invitation.objects.exists()


def test_nobody_can_fill_mailboxes(world, monkeypatch):
    monkeypatch.setattr(invitations, "SENT_AT_MOST", 2)
    invitation = invite(world)
    invitation = invitations.resend(invitation, by=world.delegate)

    for act in (lambda: invitations.resend(invitation, by=world.delegate), lambda: invite(world, "b@harbor.example")):
        with pytest.raises(invitations.TooManyInvitationsError, match="try again"):
            act()

    assert Invitation.objects.count() == 1


# --- The link -------------------------------------------------------------------------------------------------------


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
    theirs = invite(world, organization=world.mesa, by=world.stranger, role=Role.DUA_CUSTODIAN)

    assert invitations.found(invitations.key_of(invitations.token_of(ours))) == ours
    assert reason_for(lambda: invitations.found(Key(theirs.pk, ours.nonce))) == Reason.INVITATION_REPLACED
    assert reason_for(lambda: join(Invitation(pk=theirs.pk, nonce=ours.nonce))) == Reason.INVITATION_REPLACED
    assert reason_for(lambda: invitations.found(Key(theirs.pk + 1, ours.nonce))) == Reason.INVITATION_UNKNOWN
    assert reason_for(lambda: invitations.found(None)) == Reason.INVITATION_UNKNOWN
    assert not User.objects.filter(email=EMAIL).exists()


def test_a_link_that_was_sent_again_replaces_the_former_one(world):
    former = invite(world)
    Invitation.objects.update(expires_at=timezone.now(), sent_at=timezone.now())

    latter = invitations.resend(former, by=world.delegate)

    assert reason_for(lambda: join(former)) == Reason.INVITATION_REPLACED
    assert latter.sent_at is None
    assert join(latter).organization == world.harbor
    assert [event.detail["email"] for event in events(Action.INVITATION_SENT_AGAIN)] == [EMAIL]


def test_a_withdrawn_invitation_opens_nothing_and_forgets_the_person(world):
    invitation = invite(world, name="New Person")

    assert invitations.withdraw(invitation, by=world.delegate)
    assert not invitations.withdraw(invitation, by=world.delegate)

    assert reason_for(lambda: join(invitation)) == Reason.INVITATION_WITHDRAWN
    assert reason_for(lambda: invitations.resend(invitation, by=world.delegate)) == Reason.INVITATION_OVER
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
    assert invitations.resend(lately, by=world.delegate).email == "other@harbor.example"


@pytest.mark.parametrize("verb", [invitations.resend, invitations.withdraw])
@pytest.mark.parametrize("who", ["colleague", "stranger"])
def test_others_neither_send_again_nor_withdraw(world, verb, who):
    invitation = invite(world)

    with pytest.raises(NotManagingError):
        verb(invitation, by=getattr(world, who))

    assert invitations.found(key(invitation)).is_open


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
    assert reason_for(lambda: invitations.accept(key(invitation), user=person)) == Reason.INVITATION_ACCEPTED
    assert Membership.objects.for_organization(world.harbor).count() == 3


def test_a_person_whom_we_know_joins_with_the_same_account(world):
    person = UserFactory(email="Known@harbor.example")
    invitation = invite(world, "known@harbor.example")

    membership = invitations.accept(key(invitation), user=person)

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
    assert reason_for(lambda: invitations.accept(key(invitation), user=person)) == Reason.INVITATION_ANOTHER_PERSON

    assert not Membership.objects.filter(organization=world.harbor, user=person).exists()


def test_after_48_hours_it_is_over(world):
    invitation = invite(world)
    Invitation.objects.update(expires_at=timezone.now())

    assert reason_for(lambda: join(invitation)) == Reason.INVITATION_EXPIRED

    assert not User.objects.filter(email=EMAIL).exists()


def test_a_role_that_the_program_has_no_more_is_not_given(world):
    invitation = invite(world)
    Organization.objects.filter(pk=world.harbor.pk).update(program=Program.REACH)

    assert reason_for(lambda: join(invitation)) == Reason.INVITATION_ROLE_GONE

    assert not User.objects.filter(email=EMAIL).exists()


def test_who_has_become_a_member_meanwhile_keeps_the_role(world):
    person = UserFactory(email=EMAIL)
    invitation = invite(world)
    MembershipFactory(organization=world.harbor, user=person, role=Role.DUA_CUSTODIAN)

    membership = invitations.accept(key(invitation), user=person)

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
        return invitations.accept(key(invitation), user=person) if person else join(invitation)

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
        lambda number: join(invitation) if number % 2 else invitations.withdraw(invitation, by=world.delegate)
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
    invitation = invite(world, by=second.user)
    theirs = invite(world, "other@harbor.example")

    team.remove(second, revoke=False, by=world.delegate)

    assert reason_for(lambda: join(invitation)) == Reason.INVITATION_WITHDRAWN
    assert invitations.found(key(theirs)).is_open


# --- Written down ---------------------------------------------------------------------------------------------------


def test_a_refused_link_is_written_down_once_in_a_while(world):
    invitation = invite(world)
    request = RequestFactory().get("/")
    request.META |= {"claimsgate.client_address": "8.8.4.4", "claimsgate.request_id": "abc"}

    for reason in (Reason.INVITATION_WITHDRAWN, Reason.INVITATION_WITHDRAWN, Reason.INVITATION_EXPIRED):
        invitations.write_down_refusal(invitation, reason=reason, user=None, request=request)

    found = events(Action.INVITATION_REFUSED)
    assert [event.detail["reason"] for event in found] == ["invitation_withdrawn", "invitation_expired"]
    assert {(event.organization, event.outcome, event.address) for event in found} == {
        (world.harbor, AuditEvent.Outcome.DENIED, "8.8.4.4")
    }


# --- The mail -------------------------------------------------------------------------------------------------------


def test_each_mail_is_sent_once(world):
    invite(world)
    sent = []

    assert invitations.send_due(sent.append) == 1
    assert invitations.send_due(sent.append) == 0

    assert [each.email for each in sent] == [EMAIL]
    assert Invitation.objects.get().sent_at is not None


def test_what_is_over_is_not_sent(world):
    invitations.withdraw(invite(world), by=world.delegate)
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
