import datetime as dt

import pytest
from django.utils import timezone

from credentials.actor import Actor
from credentials.clients import allow_lists, issuing, revocation, rotation
from credentials.clients.rotation import Overlap
from credentials.models import AccessToken, AuditEvent, Client, ClientKey, ClientRevokedError, ClientSecret
from credentials.trail.audit import Action
from tests.world import HOME_ADDRESS, OTHER_ADDRESS, ApiClient

HOUR = dt.timedelta(hours=1)
JOB = "/api/v2/jobs/1"


def events(action: Action) -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=action).order_by("id"))


def test_a_revoked_secret_and_its_tokens_end_and_the_other_secret_lives_on(world):
    api = world.api_client().sign_in()
    new = rotation.rotate_secret(api.client, overlap=Overlap.DAY, by=Actor(user=world.delegate))
    other = ApiClient(api.client, new).sign_in()

    assert revocation.revoke_secret(ClientSecret.objects.get(hint=api.secret[-4:]), by=Actor(user=world.delegate))

    assert AccessToken.objects.live().count() == 1
    assert (api.get(JOB).status_code, other.get(JOB).status_code) == (401, 404)
    assert (api.ask_for_token().status_code, other.ask_for_token().status_code) == (401, 200)


def test_revoking_a_secret_twice_is_written_down_once(world):
    world.api_client()
    secret = ClientSecret.objects.get()

    assert revocation.revoke_secret(secret, by=Actor(user=world.delegate))
    assert not revocation.revoke_secret(secret, by=Actor(user=world.delegate))

    (event,) = events(Action.SECRET_REVOKED)
    assert (event.user, event.detail["hint"]) == (world.delegate, secret.hint)


def test_a_revoked_client_says_so_to_whoever_knows_its_secret(world):
    api = world.api_client()

    revocation.revoke_client(api.client, by=Actor(user=world.delegate))

    response = api.ask_for_token()
    assert response.status_code == 401
    assert "revoked" in response.json()["error_description"]


def test_the_tokens_of_a_revoked_client_end_whatever_they_were_bought_with(world):
    client = world.api_client().sign_in().client
    key = ClientKey.objects.create(
        client=client, name="k", kid="k", algorithm="ES384", bits=384, jwk={}, thumbprint="t"
    )
    AccessToken.objects.create(application=client, key=key, token_checksum="0", expires=timezone.now() + HOUR)
    assert AccessToken.objects.live().count() == 2

    revocation.revoke_client(client, by=Actor(user=world.delegate))

    assert not AccessToken.objects.live().exists()


def test_whether_a_client_was_revoked_just_now_is_told(world):
    client = world.api_client().client

    assert revocation.revoke_client(client, by=Actor(user=world.delegate))
    assert not revocation.revoke_client(client, by=Actor(user=world.delegate))

    assert len(events(Action.CLIENT_REVOKED)) == 1


@pytest.mark.parametrize("change", [issuing.issue_secret, allow_lists.set_addresses, allow_lists.add_address])
def test_a_revoked_client_is_not_changed_any_more(world, change):
    client = world.api_client().client
    revocation.revoke_client(client, by=Actor(user=world.delegate))
    arguments = {
        issuing.issue_secret: (),
        allow_lists.set_addresses: ([OTHER_ADDRESS],),
        allow_lists.add_address: (OTHER_ADDRESS,),
    }

    with pytest.raises(ClientRevokedError, match="Create a new client"):
        change(client, *arguments[change], by=Actor(user=world.delegate))

    assert [address.address for address in client.addresses.all()] == [HOME_ADDRESS]
    assert not client.secrets.live().exists()


def test_everything_of_an_organization_ends_at_once_and_nothing_of_another(world):
    ours = [world.api_client(name=name).sign_in() for name in ("ETL", "Vendor")]
    theirs = world.api_client(world.mesa, name="Theirs").sign_in()

    ended = revocation.revoke_everything(world.harbor, by=Actor(user=world.operator), reason="Their laptop was stolen.")

    assert {client.name for client in ended} == {"ETL", "Vendor"}
    assert [api.get(JOB).status_code for api in ours] == [401, 401]
    assert [api.ask_for_token().status_code for api in ours] == [401, 401]
    assert theirs.get(JOB).status_code == 404
    assert not Client.objects.for_organization(world.harbor).live().exists()
    (event,) = events(Action.ORGANIZATION_REVOKED)
    assert (event.organization, event.user) == (world.harbor, world.operator)
    assert event.detail == {"reason": "Their laptop was stolen.", "clients": ["ETL", "Vendor"]}
    assert len(events(Action.CLIENT_REVOKED)) == 2
