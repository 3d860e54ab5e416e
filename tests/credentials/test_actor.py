"""Who acts is one value: made where a request, a command or a task comes in, and found again in the audit trail."""

import dataclasses

import pytest
from django.core.management import call_command
from django.test import RequestFactory

from credentials import lifetimes, tasks
from credentials.actor import Actor
from credentials.clients import revocation
from credentials.models import AuditEvent, Invitation
from credentials.people import invitations
from credentials.trail import audit
from credentials.trail.audit import Action

pytestmark = pytest.mark.django_db


@pytest.fixture
def request_from_home():
    request = RequestFactory().get("/")
    request.META |= {"claimsgate.client_address": "8.8.4.4", "claimsgate.request_id": "request-0001"}
    return request


def latest(action: Action) -> AuditEvent:
    return AuditEvent.objects.filter(action=action).latest("pk")


def test_the_trail_says_which_user_acted_and_from_where(world, request_from_home):
    request_from_home.user = world.delegate
    client = world.api_client().client

    revocation.revoke_client(client, by=Actor.of_request(request_from_home))

    event = latest(Action.CLIENT_REVOKED)
    assert (event.user, event.client) == (world.delegate, client)
    assert (event.address, event.request_id) == ("8.8.4.4", "request-0001")
    assert "command" not in event.detail


def test_a_client_that_acts_is_the_client_of_the_event(world, request_from_home):
    client = world.api_client().client

    audit.record(Action.EXPORT_STARTED, Actor.of_client(client, request_from_home), organization=world.harbor)

    event = latest(Action.EXPORT_STARTED)
    assert (event.user, event.client, event.address) == (None, client, "8.8.4.4")


def test_the_client_that_an_event_is_about_comes_before_the_one_that_acts(world):
    acting, meant = world.api_client().client, world.api_client(name="Other").client

    audit.record(Action.TOKEN_REFUSED, Actor(client=acting), organization=world.harbor, client=meant)

    assert latest(Action.TOKEN_REFUSED).client == meant


def test_what_a_command_did_says_which_command_and_who_ran_it(world):
    client = world.api_client().client

    call_command("rotate_secret", client.client_id, overlap=0, by=world.operator.email)

    event = latest(Action.SECRET_ROTATED)
    assert (event.user, event.address, event.detail["command"]) == (world.operator, None, "rotate_secret")


def test_what_a_task_did_says_which_task(world):
    invitation = invitations.invite(
        world.harbor, email="new@harbor.example", role="credential_delegate", by=Actor(user=world.delegate)
    )
    Invitation.objects.filter(pk=invitation.pk).update(
        expires_at=invitation.expires_at - lifetimes.EXPIRED_INVITATION - 2 * lifetimes.INVITATION
    )

    tasks.forget_expired_invitations()

    event = latest(Action.INVITATION_WITHDRAWN)
    assert (event.user, event.detail["command"]) == (None, "forget_expired_invitations")


def test_nobody_changes_who_acts_on_the_way(world):
    actor = Actor(user=world.delegate)

    with pytest.raises(dataclasses.FrozenInstanceError):
        actor.user = world.stranger
