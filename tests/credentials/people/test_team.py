"""The members of an organization: their roles, and how they go."""

import pytest

from credentials.actor import Actor
from credentials.clients import issuing, key_registration
from credentials.models import AuditEvent, Client, Invitation, Membership, Notice, Organization, Role
from credentials.people import invitations, team
from credentials.people.team_rules import (
    LastManagerError,
    NotManagingError,
    OwnRoleError,
    RoleRefusedError,
    TeamRefusedError,
)
from credentials.programs import PROGRAMS
from credentials.trail.audit import Action
from tests.credentials.at_once import at_once
from tests.credentials.tokens.signing import ec_key, jwk, key_set
from tests.world import HOME_ADDRESS, MembershipFactory, World


def member_of(organization: Organization, user) -> Membership:
    return Membership.objects.get(organization=organization, user=user)


def is_member(organization: Organization, user) -> bool:
    return Membership.objects.filter(organization=organization, user=user).exists()


@pytest.fixture
def second(world) -> Membership:
    """Another one who manages Harbor's credentials."""
    return MembershipFactory(organization=world.harbor, user__email="second@harbor.example")


def client_made_by(user, organization: Organization, name: str = "Theirs") -> Client:
    client, _ = issuing.create_client(
        organization=organization, name=name, addresses=[HOME_ADDRESS], by=Actor(user=user)
    )
    return client


# --- Roles ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.code)
def test_each_role_of_a_program_manages_credentials(program):
    organization = Organization(entity_id=program.entity_ids.example, program_code=program.code)

    assert set(organization.roles) == organization.managing_roles
    assert {str(role) for role in organization.roles} == program.roles


def test_a_role_is_changed_and_written_down(world):
    other = MembershipFactory(organization=world.mesa, role=Role.EXECUTIVE_CONTACT)

    assert team.change_role(other, Role.DUA_REQUESTOR, by=Actor(user=world.stranger))
    assert not team.change_role(other, Role.DUA_REQUESTOR, by=Actor(user=world.stranger))

    other.refresh_from_db()
    assert other.role == Role.DUA_REQUESTOR
    event = AuditEvent.objects.get(action=Action.MEMBER_ROLE_CHANGED)
    assert (event.user, event.organization) == (world.stranger, world.mesa)
    assert event.detail == {"member": other.user.email, "before": "Executive Contact", "after": "DUA Requestor"}


@pytest.mark.parametrize("role", [Role.CREDENTIAL_DELEGATE, "owner", ""])
def test_a_role_of_another_program_is_refused(world, role):
    other = MembershipFactory(organization=world.mesa, role=Role.EXECUTIVE_CONTACT)

    with pytest.raises(RoleRefusedError):
        team.change_role(other, role, by=Actor(user=world.stranger))

    other.refresh_from_db()
    assert other.role == Role.EXECUTIVE_CONTACT


def test_nobody_gives_rights_to_himself(world):
    """Not even with a right that was meant for something else: an operator who is a member."""
    own = member_of(world.harbor, world.colleague)

    with pytest.raises(NotManagingError):
        team.change_role(own, Role.CREDENTIAL_DELEGATE, by=Actor(user=world.colleague))
    with pytest.raises(OwnRoleError):
        team.change_role(own, Role.CREDENTIAL_DELEGATE, by=Actor(user=world.colleague), as_operator=True)

    own.refresh_from_db()
    assert own.role == Role.DUA_CUSTODIAN
    assert not AuditEvent.objects.filter(action=Action.MEMBER_ROLE_CHANGED).exists()


@pytest.mark.parametrize("who", ["colleague", "stranger", "operator"])
def test_only_who_manages_the_organizations_credentials_changes_its_team(world, second, who):
    by = getattr(world, who)

    for act in (
        lambda: team.change_role(member_of(world.harbor, world.colleague), Role.CREDENTIAL_DELEGATE, by=Actor(user=by)),
        lambda: team.remove(second, revoke=True, by=Actor(user=by)),
    ):
        with pytest.raises(NotManagingError):
            act()

    assert is_member(world.harbor, second.user)
    assert member_of(world.harbor, world.colleague).role == Role.DUA_CUSTODIAN


# --- To go ----------------------------------------------------------------------------------------------------------


def test_a_removed_member_is_gone_and_it_is_written_down(world, second):
    team.remove(second, revoke=False, by=Actor(user=world.delegate))

    assert not is_member(world.harbor, second.user)
    event = AuditEvent.objects.get(action=Action.MEMBER_REMOVED)
    assert (event.user, event.organization) == (world.delegate, world.harbor)
    assert event.detail == {
        "member": "second@harbor.example",
        "role": "Credential Delegate",
        "credentials_revoked": False,
    }
    with pytest.raises(TeamRefusedError, match="is no longer a team member"):
        team.remove(second, revoke=False, by=Actor(user=world.delegate))


def test_the_person_and_the_other_delegates_are_told(world, second):
    third = MembershipFactory(organization=world.harbor)

    team.remove(second, revoke=False, by=Actor(user=world.delegate))

    told = {(notice.kind, notice.user) for notice in Notice.objects.all()}
    assert told == {
        (Notice.Kind.MEMBER_REMOVED, world.delegate),
        (Notice.Kind.MEMBER_REMOVED, third.user),
        (Notice.Kind.MEMBERSHIP_ENDED, second.user),
    }


def test_the_last_one_who_manages_credentials_stays(world):
    last = member_of(world.harbor, world.delegate)
    MembershipFactory(organization=world.harbor, user__is_active=False)

    with pytest.raises(LastManagerError, match="Invite another one first"):
        team.remove(last, revoke=True, by=Actor(user=world.delegate))

    assert is_member(world.harbor, world.delegate)
    assert not AuditEvent.objects.filter(action=Action.MEMBER_REMOVED).exists()


def test_an_operator_may_remove_the_last_one(world):
    team.remove(member_of(world.harbor, world.delegate), revoke=False, by=Actor(user=world.operator), as_operator=True)

    assert not is_member(world.harbor, world.delegate)


def test_who_is_not_the_last_one_can_leave(world, second):
    team.remove(second, revoke=False, by=Actor(user=second.user))

    assert not is_member(world.harbor, second.user)


def test_who_does_not_manage_credentials_can_be_removed_by_the_last_one(world):
    team.remove(member_of(world.harbor, world.colleague), revoke=False, by=Actor(user=world.delegate))

    assert not is_member(world.harbor, world.colleague)


@pytest.mark.django_db(transaction=True)
def test_two_who_remove_each_other_at_once_leave_one():
    world = World()
    second = MembershipFactory(organization=world.harbor)
    first = member_of(world.harbor, world.delegate)

    answers = at_once(
        lambda number: (
            team.remove(second, revoke=False, by=Actor(user=first.user))
            if number % 2
            else team.remove(first, revoke=False, by=Actor(user=second.user))
        )
    )

    assert sum(isinstance(answer, team.Made) for answer in answers) == 1
    assert {type(answer) for answer in answers} <= {team.Made, NotManagingError, TeamRefusedError}
    assert Membership.objects.managing_credentials(world.harbor).count() == 1


@pytest.mark.django_db(transaction=True)
def test_three_who_all_leave_at_once_leave_one():
    world = World()
    members = [member_of(world.harbor, world.delegate), *MembershipFactory.create_batch(2, organization=world.harbor)]

    def leave(number: int) -> team.Made:
        member = members[number % 3]
        return team.remove(member, revoke=False, by=Actor(user=member.user))

    answers = at_once(leave)

    assert sum(isinstance(answer, team.Made) for answer in answers) == 2
    assert any(isinstance(answer, LastManagerError) for answer in answers)
    assert Membership.objects.managing_credentials(world.harbor).count() == 1


# --- What the person has made ---------------------------------------------------------------------------------------


@pytest.fixture
def made(world, second):
    """What the second delegate has made: a client, and a secret, a key and a URL of the first delegate's client."""
    ours = world.api_client().client
    theirs = client_made_by(second.user, world.harbor)
    issuing.issue_secret(ours, by=Actor(user=second.user))
    key_registration.add_keys(ours, key_set(jwk(ec_key(), "k1")), name="Warehouse", by=Actor(user=second.user))
    key_registration.set_key_set_url(ours, "https://keys.harbor.example/jwks.json", by=Actor(user=second.user))
    key_registration.add_keys(ours, key_set(jwk(ec_key(number=1), "k2")), name="Old", by=Actor(user=world.delegate))
    elsewhere = client_made_by(second.user, world.mesa, "Elsewhere")
    invitations.invite(
        world.harbor, email="new@harbor.example", role=Role.CREDENTIAL_DELEGATE, by=Actor(user=second.user)
    )
    return {"ours": ours, "theirs": theirs, "elsewhere": elsewhere}


def test_what_a_person_has_made_is_found_within_the_organization(world, second, made):
    found = team.made_by(second.user, world.harbor)

    assert found.clients == [made["theirs"]]
    assert [secret.client for secret in found.secrets] == [made["ours"]]
    assert [key.name for key in found.keys] == ["Warehouse"]
    assert [key_set.client for key_set in found.key_sets] == [made["ours"]]
    assert [invitation.email for invitation in found.invitations] == ["new@harbor.example"]
    assert not team.made_by(world.colleague, world.harbor).has_credentials


def test_it_is_kept_unless_somebody_asks_for_its_end(world, second, made):
    team.remove(second, revoke=False, by=Actor(user=world.delegate))

    assert Client.objects.live().count() == 3
    assert made["ours"].secrets.live().count() == 2
    assert made["ours"].keys.live().count() == 2
    assert made["ours"].key_sets.live().exists()
    assert not Invitation.objects.open().exists()


def test_it_ends_and_nothing_else_does(world, second, made):
    team.remove(second, revoke=True, by=Actor(user=world.delegate))

    assert set(Client.objects.live()) == {made["ours"], made["elsewhere"]}
    assert [secret.created_by for secret in made["ours"].secrets.live()] == [world.delegate]
    assert [key.name for key in made["ours"].keys.live()] == ["Old"]
    assert not made["ours"].key_sets.live().exists()
    actions = set(
        AuditEvent.objects.filter(organization=world.harbor, user=world.delegate).values_list("action", flat=True)
    )
    assert {
        *(Action.CLIENT_REVOKED, Action.SECRET_REVOKED, Action.KEY_REVOKED, Action.KEY_SET_URL_CHANGED),
        *(Action.INVITATION_WITHDRAWN, Action.MEMBER_REMOVED),
    } <= actions


def test_its_tokens_end_with_it(world, second):
    api = world.api_client()
    Client.objects.update(created_by=second.user)
    api.sign_in()

    team.remove(second, revoke=True, by=Actor(user=world.delegate))

    assert api.ask_for_token().status_code in {401, 403}
    assert api.kick_off().status_code in {401, 403}


def test_without_the_event_nothing_is_done(world, second, made, monkeypatch):
    def fail(*_arguments, **_options):
        raise RuntimeError

    monkeypatch.setattr(team.audit, "record", fail)

    with pytest.raises(RuntimeError):
        team.remove(second, revoke=True, by=Actor(user=world.delegate))

    assert is_member(world.harbor, second.user)
    assert Client.objects.live().count() == 3
