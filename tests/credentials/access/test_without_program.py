"""Organizations whose entity ID is none of their program's: no rules say what they may get, so they get nothing."""

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command

from credentials.actor import Actor
from credentials.models import AuditEvent, Client, Membership, Organization
from credentials.people import organizations
from credentials.programs import REACH
from credentials.trail.audit import Action
from exports import kickoff
from exports.models import Job
from exports.pipeline import plan
from tests.exports.store import fill, start
from tests.world import sign_in

EXPORT, JOB, FILE = "/api/v2/Group/all/$export", "/api/v2/jobs/1", "/data/1/a.ndjson"


@pytest.fixture(
    params=[
        # Of before, when nobody compared; the update has found no program for them.
        ("A1234", "", "REACH"),
        ("ABC123", "", "SSP"),
        ("D9990", "", "SSP"),
        ("E0001", "", "KCC"),
        ("C0001", "", "GUIDE"),
        # By whatever way: the entity ID is changed, or the program's app is no longer here.
        ("A1234", "REACH", "REACH"),
        ("C0001", "GUIDE", ""),
    ],
    ids="-".join,
)
def harbor(request, world) -> Organization:
    entity_id, code, code_before = request.param
    world.mesa.delete()
    Organization.objects.filter(pk=world.harbor.pk).update(
        entity_id=entity_id, program_code=code, code_before=code_before
    )
    return Organization.objects.get(pk=world.harbor.pk)


def test_its_clients_get_no_token_and_are_told_why(world, harbor):
    api = world.api_client()

    response = api.ask_for_token()

    assert response.status_code == 403
    assert response.json()["error"] == "access_denied"
    assert f"{harbor.entity_id} isn't an entity ID of its program" in response.json()["error_description"]
    refused = AuditEvent.objects.for_organization(harbor).get(action=Action.TOKEN_REFUSED)
    assert refused.detail["reason"] == "organization_without_program"


@pytest.mark.parametrize("path", [EXPORT, JOB, FILE])
def test_a_token_of_before_opens_nothing(world, path):
    world.roster(world.harbor, world.beneficiaries(1))
    api = world.api_client().sign_in()
    Organization.objects.filter(pk=world.harbor.pk).update(**Organization.columns_of(REACH))

    response = api.kick_off(path)

    assert response.status_code == 403
    assert not Job.objects.exists()


def test_nothing_is_exported_for_it_whoever_asks(world, harbor):
    world.roster(world.harbor, world.beneficiaries(1))

    with pytest.raises(PermissionDenied, match=harbor.entity_id):
        kickoff.kick_off(
            organization=harbor,
            version=2,
            scope=Job.Scope.GROUP_ALL,
            resource_types=["Patient"],
            since=None,
            request_url="a test",
            by=Actor(user=world.delegate),
        )

    assert not Job.objects.exists()


def test_a_job_that_waits_when_the_program_goes_fails_and_copies_nothing(world):
    world.roster(world.harbor, world.beneficiaries(1))
    fill(world)
    job = start(world.harbor)
    Organization.objects.filter(pk=world.harbor.pk).update(**Organization.columns_of(REACH))

    plan.plan(job.pk)

    job.refresh_from_db()
    assert job.status == Job.Status.FAILED
    assert "program has changed, or it has none" in job.failure
    assert not job.shards.exists()


@pytest.mark.parametrize("where", ["", "/audit", "/credentials", "/attribution", "/exports", "/team"])
def test_its_team_keeps_its_pages_and_reads_what_is_wrong_and_whom_to_ask(world, client, harbor, where):
    sign_in(client, world.delegate)

    shown = client.get(f"/organizations/{harbor.entity_id}{where}").content.decode()

    assert "Access denied" in shown
    assert f"Its entity ID, {harbor.entity_id}, doesn’t belong to its program." in shown
    assert "Ask the Claimsgate operators to correct the entity ID or the program." in shown
    assert Membership.objects.for_organization(harbor).count() == 2


def test_its_team_can_revoke_but_not_create(world, client, harbor):
    api = world.api_client(harbor)
    sign_in(client, world.delegate)

    created = client.get(f"/organizations/{harbor.entity_id}/credentials/new")
    revoked = client.post(f"/organizations/{harbor.entity_id}/credentials/{api.client.client_id}/revoke")

    assert created.status_code == 403
    assert revoked.status_code == 302
    assert Client.objects.get(pk=api.client.pk).revoked_at is not None


def test_none_is_created_by_a_command(world):
    with pytest.raises(CommandError, match=r"A1234 isn’t an entity ID of ACO REACH. Use one like D9990\."):
        call_command("create_organization", "A1234", name="Mistyped", program="REACH", by=world.operator.email)

    assert not Organization.objects.filter(entity_id="A1234").exists()


def test_none_is_created_by_the_administration(world, client):
    client.force_login(world.operator)
    form = {"entity_id": "A1234", "name": "Mistyped", "program_code": "KCF", "status": "active"}

    response = client.post("/admin/credentials/organization/add/", form)

    assert "A1234 isn’t an entity ID of Kidney Care First. Use one like K9990." in response.content.decode()
    assert not Organization.objects.filter(entity_id="A1234").exists()


def test_an_operator_can_deny_one_of_before(world, harbor):
    state = organizations.OrganizationState(status=Organization.Status.DENIED, reason="Mistyped.")

    assert organizations.set_state(harbor, state, by=Actor(user=world.operator))

    harbor.refresh_from_db()
    assert harbor.status == Organization.Status.DENIED
