import pytest

from credentials.access import gate
from credentials.actor import Actor
from credentials.clients import allow_lists, revocation
from credentials.models import AccessToken, AuditEvent, Organization
from credentials.trail.audit import Action
from tests.world import HOME_ADDRESS, OTHER_ADDRESS, ApiClient

METADATA, JOB, FILE = "/api/v2/metadata", "/api/v2/jobs/1", "/data/1/a.ndjson"
EXPORT = "/api/v2/Group/all/$export"


def test_a_listed_address_passes(world):
    api = world.api_client(addresses=[HOME_ADDRESS, "2606:4700::1111"])

    assert gate.refusal(api.client, HOME_ADDRESS) is None
    assert gate.refusal(api.client, "2606:4700::1111") is None


def test_the_address_of_another_client_does_not_pass(world):
    ours = world.api_client(addresses=[HOME_ADDRESS])
    world.api_client(world.mesa, addresses=[OTHER_ADDRESS], name="Theirs")

    assert gate.refusal(ours.client, OTHER_ADDRESS).code == "address_not_allowed"


@pytest.mark.parametrize("path", [EXPORT, JOB, FILE])
def test_every_call_asks_the_gate_about_the_address(world, path):
    api = world.api_client(addresses=[HOME_ADDRESS]).sign_in()
    thief = ApiClient(api.client, api.secret, address=OTHER_ADDRESS)
    thief.token = api.token

    response = thief.kick_off(path)

    assert response.status_code == 403
    assert OTHER_ADDRESS in response.json()["issue"][0]["diagnostics"]
    event = AuditEvent.objects.for_organization(world.harbor).get(action=Action.REQUEST_REFUSED)
    assert (event.detail["path"], event.address) == (path, OTHER_ADDRESS)


@pytest.mark.parametrize("path", [EXPORT, JOB, FILE])
def test_a_removed_address_stops_at_the_next_request(world, path):
    api = world.api_client(addresses=[HOME_ADDRESS]).sign_in()
    allow_lists.set_addresses(api.client, [OTHER_ADDRESS], by=Actor(user=world.delegate))

    assert api.kick_off(path).status_code == 403


@pytest.mark.parametrize("path", [EXPORT, JOB, FILE])
def test_a_revoked_client_stops_at_the_next_request(world, path):
    api = world.api_client().sign_in()
    revocation.revoke_client(api.client, by=Actor(user=world.delegate))

    assert api.kick_off(path).status_code == 401
    assert not AccessToken.objects.live().exists()


@pytest.mark.parametrize("path", [EXPORT, JOB, FILE])
def test_a_denied_organization_stops_at_the_next_request(world, path):
    api = world.api_client().sign_in()
    Organization.objects.filter(pk=world.harbor.pk).update(status=Organization.Status.DENIED)

    response = api.kick_off(path)

    assert response.status_code == 403
    assert response.json()["issue"][0]["diagnostics"] == "ACO (CMS_ID: A9994) is unauthorized"


def test_loopback_passes_for_a_sandbox_of_the_embedded_demo_only(world, settings):
    Organization.objects.filter(pk=world.harbor.pk).update(is_sandbox=True)
    world.harbor.refresh_from_db()
    settings.ALLOW_LOOPBACK_FOR_SANDBOX = True
    api = world.api_client(addresses=["127.0.0.1", HOME_ADDRESS])

    in_the_demo = gate.refusal(api.client, "127.0.0.1")
    settings.ALLOW_LOOPBACK_FOR_SANDBOX = False
    elsewhere = gate.refusal(api.client, "127.0.0.1")

    assert in_the_demo is None
    assert elsewhere.code == "address_not_allowed"


def test_loopback_does_not_pass_for_an_organization_that_is_no_sandbox(world, settings):
    settings.ALLOW_LOOPBACK_FOR_SANDBOX = True

    with pytest.raises(allow_lists.AddressesRefusedError):
        world.api_client(addresses=["127.0.0.1"])


# In which other ways it may be written: tests/house/test_case_of_tokens.py.
@pytest.mark.parametrize("header", ["Token {}", "Bearer cgt_0000", "Bearer", "{}", "Bearer {}, x", "Bearer {} x"])
def test_only_a_bearer_header_opens(world, client, header):
    api = world.api_client().sign_in()

    response = api.browser.get(JOB, headers={"Authorization": header.format(api.token)})

    assert response.status_code == 401
    assert response.json()["issue"][0]["diagnostics"] == "Invalid Token"
    assert response["WWW-Authenticate"].startswith("Bearer ")


def test_without_a_token_nothing_but_the_metadata_opens(world, client):
    assert [client.get(path).status_code for path in (EXPORT, JOB, FILE)] == [401, 401, 401]
    assert client.get(METADATA).status_code == 200


def test_an_expired_token_says_so(world):
    api = world.api_client().sign_in()
    token = AccessToken.objects.get()
    AccessToken.objects.update(expires=token.created)

    response = api.get(JOB)

    assert response.status_code == 401
    assert response.json()["issue"][0]["diagnostics"] == "Expired Token"
