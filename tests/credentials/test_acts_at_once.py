"""Each verb about credentials, called many times at the same moment with the same wishes: one call does it."""

from collections.abc import Callable

import pytest

from credentials.actor import Actor
from credentials.clients import allow_lists, issuing, key_registration, revocation, rotation
from credentials.clients.rotation import Overlap
from credentials.models import (
    AuditEvent,
    ClientRevokedError,
    Invitation,
    Membership,
    OperatorToken,
    Organization,
    Role,
)
from credentials.operators import operator_tokens
from credentials.people import invitations, organizations, team
from credentials.people.organizations import OrganizationRefusedError, OrganizationState
from credentials.people.team_rules import TeamRefusedError
from credentials.trail.audit import Action
from exports import kickoff
from exports.models import Job
from tests.credentials.at_once import CALLERS, at_once
from tests.credentials.tokens.signing import ec_key, public_pem
from tests.exports.store import fill
from tests.world import OTHER_ADDRESS, OrganizationFactory

pytestmark = pytest.mark.django_db(transaction=True)

# What may be said to those who come too late.
TOO_LATE = (
    ClientRevokedError,
    OrganizationRefusedError,
    TeamRefusedError,
    invitations.AlreadyInvitedError,
    invitations.InvitationOverError,
    issuing.NameTakenError,
    issuing.TwoSecretsError,
    allow_lists.AddressesRefusedError,
    key_registration.KidTakenError,
)


def assert_done_once(action: Action, act: Callable[[], object]) -> list:
    """Many callers, one event; nobody meets anything but a refusal in words. What they got."""
    before = AuditEvent.objects.filter(action=action).count()

    answers = at_once(lambda _number: act())

    unexpected = [each for each in answers if isinstance(each, Exception) and not isinstance(each, TOO_LATE)]
    assert not unexpected
    assert AuditEvent.objects.filter(action=action).count() == before + 1
    return answers


def test_an_organization_is_made_once(world):
    def act() -> Organization:
        return organizations.create_organization(
            entity_id="K0042", name="Kidney Care", program_code="KCF", by=Actor(user=world.operator)
        )

    answers = assert_done_once(Action.ORGANIZATION_CREATED, act)

    assert sum(isinstance(each, Organization) for each in answers) == 1


def test_the_program_of_an_organization_changes_once(world):
    answers = assert_done_once(
        Action.ORGANIZATION_PROGRAM_CHANGED,
        lambda: organizations.set_program(
            Organization.objects.get(pk=world.harbor.pk),
            entity_id="K0042",
            program_code="KCF",
            by=Actor(user=world.operator),
        ),
    )

    assert sorted(answers) == [False] * (CALLERS - 1) + [True]


def test_an_entity_id_becomes_one_organizations(world):
    several = [OrganizationFactory() for _ in range(CALLERS)]

    def act(number: int) -> bool:
        by = Actor(user=world.operator)
        return organizations.set_program(several[number], entity_id="K0042", program_code="KCF", by=by)

    answers = at_once(act)

    assert [each for each in answers if not isinstance(each, OrganizationRefusedError)] == [True]
    assert Organization.objects.filter(entity_id="K0042", program_code="KCF").count() == 1
    assert Organization.objects.filter(program_code="SSP").count() == CALLERS  # Harbor, and those who came too late


def test_the_state_of_an_organization_changes_once(world):
    state = OrganizationState(status=Organization.Status.DENIED, reason="Trial")

    answers = assert_done_once(
        Action.ORGANIZATION_STATE_CHANGED,
        lambda: organizations.set_state(
            Organization.objects.get(pk=world.harbor.pk), state, by=Actor(user=world.operator)
        ),
    )

    assert sorted(answers) == [False] * (CALLERS - 1) + [True]


def test_everything_is_revoked_once(world):
    for number in range(3):
        world.api_client(name=f"Client {number}")

    answers = assert_done_once(
        Action.ORGANIZATION_REVOKED,
        lambda: revocation.revoke_everything(world.harbor, by=Actor(user=world.operator), reason="Stolen"),
    )

    assert sorted(len(each) for each in answers) == [0] * (CALLERS - 1) + [3]
    assert AuditEvent.objects.filter(action=Action.CLIENT_REVOKED).count() == 3


def test_a_client_and_a_secret_are_revoked_once(world):
    client, other = world.api_client(name="One").client, world.api_client(name="Two").client
    secret = other.secrets.get()

    answers = assert_done_once(Action.SECRET_REVOKED, lambda: revocation.revoke_secret(secret, by=Actor()))
    more = assert_done_once(Action.CLIENT_REVOKED, lambda: revocation.revoke_client(client, by=Actor()))

    assert answers.count(True) == more.count(True) == 1


def test_a_client_is_made_once(world):
    answers = assert_done_once(
        Action.CLIENT_CREATED,
        lambda: issuing.create_client(organization=world.harbor, name="ETL", addresses=[OTHER_ADDRESS], by=Actor()),
    )

    assert sum(isinstance(each, tuple) for each in answers) == 1


def test_an_overlap_begins_and_ends_once(world):
    client = world.api_client().client

    assert_done_once(Action.SECRET_ROTATED, lambda: rotation.rotate_secret(client, overlap=Overlap.DAY, by=Actor()))
    replaced = client.secrets.exclude(replaced_at=None).get()
    answers = assert_done_once(Action.SECRET_REVOKED, lambda: revocation.revoke_secret(replaced, by=Actor()))

    assert answers.count(True) == 1


def test_an_allow_list_changes_once(world):
    client = world.api_client(addresses=["8.8.8.8", "8.8.4.4"]).client

    assert_done_once(Action.ADDRESSES_CHANGED, lambda: allow_lists.set_addresses(client, ["8.8.8.8"], by=Actor()))
    assert_done_once(Action.ADDRESSES_CHANGED, lambda: allow_lists.add_address(client, OTHER_ADDRESS, by=Actor()))
    assert_done_once(Action.ADDRESSES_CHANGED, lambda: allow_lists.set_addresses(client, ["1.1.1.1"], by=Actor()))


def test_keys_are_registered_and_revoked_once(world):
    client, pem, url = world.api_client().client, public_pem(ec_key()), "https://keys.example.org/jwks.json"

    assert_done_once(Action.KEY_ADDED, lambda: key_registration.add_keys(client, pem, name="Key", kid="a", by=Actor()))
    key = client.keys.get()
    answers = assert_done_once(Action.KEY_REVOKED, lambda: key_registration.revoke_key(key, by=Actor()))
    more = assert_done_once(
        Action.KEY_SET_URL_CHANGED, lambda: key_registration.set_key_set_url(client, url, by=Actor())
    )

    assert answers.count(True) == more.count(True) == 1


def test_an_operators_token_is_revoked_once(world):
    operator_tokens.create_token(name="Inventory", by=Actor(user=world.operator))
    token = OperatorToken.objects.get()

    answers = assert_done_once(
        Action.OPERATOR_TOKEN_REVOKED, lambda: operator_tokens.revoke_token(token, by=Actor(user=world.operator))
    )

    assert answers.count(True) == 1


def invite(world) -> Invitation:
    return invitations.invite(
        world.harbor, email="new@harbor.example", role=Role.CREDENTIAL_DELEGATE, by=Actor(user=world.delegate)
    )


def test_a_person_is_invited_once(world):
    answers = assert_done_once(Action.INVITATION_SENT, lambda: invite(world))

    assert sum(isinstance(each, Invitation) for each in answers) == 1


def test_an_invitation_is_sent_again_and_withdrawn_once(world):
    invitation = invite(world)

    answers = assert_done_once(
        Action.INVITATION_SENT_AGAIN, lambda: invitations.resend(invitation, by=Actor(user=world.delegate))
    )
    more = assert_done_once(
        Action.INVITATION_WITHDRAWN, lambda: invitations.withdraw(invitation, by=Actor(user=world.delegate))
    )

    assert len({each.nonce for each in answers}) == 1
    assert more.count(True) == 1


def test_a_member_is_removed_once(world):
    membership = Membership.objects.get(user=world.colleague)

    answers = assert_done_once(
        Action.MEMBER_REMOVED, lambda: team.remove(membership, revoke=False, by=Actor(user=world.delegate))
    )

    assert sum(not isinstance(each, Exception) for each in answers) == 1


def test_an_export_is_cancelled_once(world, monkeypatch):
    monkeypatch.setattr("exports.tasks.call_planner", lambda _job: None)
    monkeypatch.setattr("exports.tasks.call_expire", lambda: None)
    world.roster(world.harbor, world.beneficiaries(1))
    fill(world)
    job = kickoff.kick_off(
        organization=world.harbor,
        version=2,
        scope=Job.Scope.PATIENT,
        resource_types=["Patient"],
        since=None,
        request_url="test",
        by=Actor(user=world.delegate),
    )

    answers = assert_done_once(Action.EXPORT_CANCELLED, lambda: kickoff.cancel(Job.objects.get(pk=job.pk), by=Actor()))

    assert answers.count(True) == 1
