import datetime as dt

import pytest
from django.db import IntegrityError, transaction

from credentials.actor import Actor
from credentials.models import AuditEvent, Bounds, Organization
from credentials.people import organizations
from credentials.people.organizations import OrganizationRefusedError, OrganizationState, Status, Strategy
from credentials.trail.audit import Action

JOB = "/api/v2/jobs/1"
LAST_DAY = dt.date(2026, 9, 30)


def state_changes() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=Action.ORGANIZATION_STATE_CHANGED).order_by("id"))


def test_an_active_organization_has_no_bounds(world):
    assert world.harbor.bounds() == Bounds()


@pytest.mark.parametrize("attribution", Strategy)
@pytest.mark.parametrize("opt_out", Strategy)
@pytest.mark.parametrize("claims", Strategy)
def test_each_historical_strategy_bounds_at_the_termination_date_and_latest_does_not(
    world, attribution, opt_out, claims
):
    state = OrganizationState(
        status=Status.LIMITED, termination_date=LAST_DAY, attribution=attribution, opt_out=opt_out, claims=claims
    )

    organizations.set_state(world.harbor, state, by=Actor(user=world.operator))

    bounds = Organization.objects.get(pk=world.harbor.pk).bounds()
    expected = [LAST_DAY if each == Strategy.HISTORICAL else None for each in (attribution, opt_out, claims)]
    assert [bounds.attribution_until, bounds.opt_out_as_of, bounds.claims_through_date] == expected


def test_unless_told_otherwise_a_limited_organization_gets_the_least():
    organization = Organization(status=Status.LIMITED, termination_date=LAST_DAY)

    assert organization.bounds() == Bounds(LAST_DAY, LAST_DAY, LAST_DAY)


def test_a_denied_organization_is_refused_at_the_next_request_and_a_limited_one_passes(world):
    api = world.api_client().sign_in()

    organizations.set_state(
        world.harbor, OrganizationState(status=Status.DENIED, reason="Left the program."), by=Actor(user=world.operator)
    )
    denied = (api.get(JOB).status_code, api.ask_for_token().status_code)
    organizations.set_state(
        world.harbor, OrganizationState(status=Status.LIMITED, termination_date=LAST_DAY), by=Actor(user=world.operator)
    )
    limited = (api.get(JOB).status_code, api.ask_for_token().status_code)

    assert (denied, limited) == ((403, 403), (404, 200))


def test_a_limited_organization_needs_a_date(world):
    with pytest.raises(OrganizationRefusedError, match="termination date"):
        organizations.set_state(world.harbor, OrganizationState(status=Status.LIMITED), by=Actor(user=world.operator))
    with pytest.raises(IntegrityError), transaction.atomic():
        Organization.objects.update(status=Status.LIMITED)

    assert not state_changes()
    assert Organization.objects.get(pk=world.harbor.pk).status == Status.ACTIVE


def test_participation_did_not_end_before_1900(world):
    state = OrganizationState(status=Status.LIMITED, termination_date=dt.date(1899, 12, 31))

    with pytest.raises(OrganizationRefusedError, match="1899-12-31 is before 1900-01-01"):
        organizations.set_state(world.harbor, state, by=Actor(user=world.operator))

    assert OrganizationState.of(Organization.objects.get(pk=world.harbor.pk)).status == Status.ACTIVE


def test_a_change_is_written_down_with_before_and_after(world):
    state = OrganizationState(
        status=Status.LIMITED, termination_date=LAST_DAY, claims=Strategy.LATEST, reason="Contract ended."
    )

    assert organizations.set_state(world.harbor, state, by=Actor(user=world.operator))

    (event,) = state_changes()
    assert (event.organization, event.user) == (world.harbor, world.operator)
    assert event.detail["before"]["status"] == "active"
    assert event.detail["after"] == {
        "status": "limited", "termination_date": "2026-09-30", "reason": "Contract ended.",
        "attribution": "historical", "opt_out": "historical", "claims": "latest",
    }  # fmt: skip
    assert Organization.objects.get(pk=world.harbor.pk).status_changed_at is not None


def test_what_is_so_already_is_not_written_down_again(world):
    state = OrganizationState(status=Status.DENIED, reason="Left the program.")

    assert organizations.set_state(world.harbor, state, by=Actor(user=world.operator))
    assert not organizations.set_state(world.harbor, state, by=Actor(user=world.operator))

    assert len(state_changes()) == 1


def test_an_organization_that_comes_back_has_no_bounds_any_more(world):
    organizations.set_state(
        world.harbor, OrganizationState(status=Status.LIMITED, termination_date=LAST_DAY), by=Actor(user=world.operator)
    )

    organizations.set_state(world.harbor, OrganizationState(status=Status.ACTIVE), by=Actor(user=world.operator))

    again = Organization.objects.get(pk=world.harbor.pk)
    assert (again.status, again.termination_date, again.bounds()) == (Status.ACTIVE, None, Bounds())


def test_a_new_organization_is_written_down(world):
    made = organizations.create_organization(
        entity_id="K0042", name="Kidney Care", program_code="KCF", by=Actor(user=world.operator)
    )

    event = AuditEvent.objects.get(action=Action.ORGANIZATION_CREATED)
    assert (event.organization, event.user, event.detail["after"]["program"]) == (made, world.operator, "KCF")


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"entity_id": "9994"}, "isn’t an entity ID of Kidney Care First"),
        ({"entity_id": "A9994", "program_code": "SSP"}, "already exists"),
        ({"program_code": "XYZ"}, "isn’t a program. Use one of these: SSP, REACH, CKCC, KCF"),
        ({"name": ""}, "cannot be blank"),
    ],
)
def test_an_organization_that_cannot_be_is_refused_with_the_reason(world, facts, reason):
    before = Organization.objects.count()
    whole = {"entity_id": "K0042", "name": "Kidney Care", "program_code": "KCF", **facts}

    with pytest.raises(OrganizationRefusedError, match=reason):
        organizations.create_organization(**whole, by=Actor(user=world.operator))

    assert Organization.objects.count() == before
    assert not AuditEvent.objects.filter(action=Action.ORGANIZATION_CREATED).exists()


def test_the_administration_says_how_to_limit_an_organization(world, client):
    client.force_login(world.operator)

    page = client.post(
        f"/admin/credentials/organization/{world.harbor.pk}/change/",
        {
            "entity_id": "A9994", "name": "Harbor", "program_code": "SSP", "status": "limited",
            "memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0",
        },
    )  # fmt: skip

    assert page.status_code == 200
    assert "set_organization_state" in page.content.decode()
    assert Organization.objects.get(pk=world.harbor.pk).status == Status.ACTIVE
