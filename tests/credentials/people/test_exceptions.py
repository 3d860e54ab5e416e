"""What differs for one organization from its program: set by operators, audited, and asked in one place."""

import datetime as dt

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.urls import reverse

from credentials.actor import Actor
from credentials.models import AuditEvent, Organization
from credentials.people.organizations import OrganizationRefusedError, set_exceptions
from credentials.programs import GUIDE, PROGRAMS, REACH, SSP, Exceptions
from credentials.trail.audit import Action
from exports.models import Job
from tests.exports.store import fill, start
from tests.world import OrganizationFactory, sign_in

TODAY = dt.date(2026, 11, 28)
ESTABLISHED = dt.date(2021, 7, 1)


def events() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=Action.ORGANIZATION_EXCEPTIONS_CHANGED).order_by("id"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda each: each.code)
def test_without_exceptions_the_rules_are_those_of_the_program(program):
    assert Exceptions().applied_to(program) == program


@pytest.mark.parametrize(
    ("program", "exceptions", "first_day", "has_claim", "versions"),
    [
        (GUIDE, {"claims_from_date": ESTABLISHED}, ESTABLISHED, False, {2, 3}),
        (REACH, {"claims_from_date": ESTABLISHED}, ESTABLISHED, True, {1, 2, 3}),
        (REACH, {"has_partially_adjudicated": False}, dt.date(2023, 4, 1), False, {1, 2, 3}),
        (SSP, {"has_partially_adjudicated": True}, None, True, {1, 2, 3}),
        (SSP, {"api_versions": (3,)}, None, False, {3}),
        (GUIDE, {"api_versions": (1, 3)}, dt.date(2022, 7, 1), False, {1, 3}),
    ],
)
def test_each_exception_takes_the_place_of_one_fact(program, exceptions, first_day, has_claim, versions):
    rules = Exceptions(**exceptions).applied_to(program)

    assert rules.dates.first_service_date(TODAY) == first_day
    assert ({"Claim", "ClaimResponse"} <= rules.resource_types) == has_claim
    assert {number for number in (1, 2, 3) if number in rules.api_versions} == versions
    assert (rules.code, rules.roles, rules.consent) == (program.code, program.roles, program.consent)


def test_an_organization_without_a_program_has_no_rules(world):
    world.harbor.entity_id, world.harbor.has_partially_adjudicated = "D1234", True

    assert world.harbor.rules is None


def test_they_are_written_down_with_what_was_before(world):
    by = Actor(user=world.operator)
    wanted = Exceptions(api_versions=(3, 2), claims_from_date=ESTABLISHED, has_partially_adjudicated=True)

    assert set_exceptions(world.harbor, wanted, by=by)
    assert not set_exceptions(world.harbor, wanted, by=by)
    assert set_exceptions(world.harbor, Exceptions(), by=by)

    facts = {"api_versions": "2, 3", "claims_from_date": "2021-07-01", "has_partially_adjudicated": "True"}
    assert [(each.user, each.detail["before"], each.detail["after"]) for each in events()] == [
        (world.operator, {}, facts),
        (world.operator, facts, {}),
    ]
    assert Organization.objects.get(pk=world.harbor.pk).exceptions == Exceptions()


@pytest.mark.parametrize("wrong", [{"claims_from_date": dt.date(1066, 10, 14)}, {"api_versions": (0, 2)}])
def test_mistakes_are_refused_and_change_nothing(world, wrong):
    with pytest.raises(OrganizationRefusedError):
        set_exceptions(world.harbor, Exceptions(**wrong), by=Actor())

    assert not events()
    assert Organization.objects.get(pk=world.harbor.pk).exceptions == Exceptions()


# --- In the administration, and by the command ----------------------------------------------------------------------


@pytest.fixture
def form(client, world):
    """Posts the form of Harbor."""
    sign_in(client, world.operator)
    page = reverse("admin:credentials_organization_change", args=[world.harbor.pk])
    whole = {
        "entity_id": "A9994",
        "name": "Harbor Care Alliance",
        "program_code": "SSP",
        "status": "active",
        "memberships-TOTAL_FORMS": "0",
        "memberships-INITIAL_FORMS": "0",
        "has_partially_adjudicated": "unknown",
    }
    return lambda **changes: client.post(page, {**whole, **changes})


def test_an_operator_sets_them_in_the_administration(form, world):
    answer = form(api_versions="2, 3", claims_from_date="2021-07-01", has_partially_adjudicated="true")

    assert answer.status_code == 302
    harbor = Organization.objects.get(pk=world.harbor.pk)
    assert harbor.exceptions == Exceptions(
        api_versions=(2, 3), claims_from_date=ESTABLISHED, has_partially_adjudicated=True
    )
    [event] = events()
    assert (event.user, event.organization) == (world.operator, world.harbor)

    form()
    assert Organization.objects.get(pk=world.harbor.pk).exceptions == Exceptions()
    assert len(events()) == 2


@pytest.mark.parametrize("wrong", [{"api_versions": "two"}, {"api_versions": "0"}, {"claims_from_date": "1066-10-14"}])
def test_the_administration_shows_what_is_wrong(form, wrong):
    answer = form(**wrong)

    assert answer.status_code == 200
    assert set(answer.context["adminform"].form.errors) == set(wrong)
    assert not events()


def test_the_command_sets_them_for_many_organizations_or_for_none(world, capsys):
    several = OrganizationFactory.create_batch(2)
    ids = [each.entity_id for each in several]

    with pytest.raises(CommandError, match="A0000"):
        call_command("set_organization_exceptions", *ids, "A0000", by=world.operator.email, claims_from=ESTABLISHED)
    assert not events()
    assert "changed" not in capsys.readouterr().out

    call_command("set_organization_exceptions", *ids, by=world.operator.email, claims_from=ESTABLISHED)
    call_command("set_organization_exceptions", ids[0], by=world.operator.email, partially_adjudicated="yes")
    call_command("set_organization_exceptions", ids[0], by=world.operator.email, claims_from="program")

    assert [each.exceptions for each in Organization.objects.filter(entity_id__in=ids).order_by("pk")] == [
        Exceptions(has_partially_adjudicated=True),
        Exceptions(claims_from_date=ESTABLISHED),
    ]
    with pytest.raises(CommandError, match="Say what to change"):
        call_command("set_organization_exceptions", ids[0], by=world.operator.email)


@pytest.mark.parametrize("number", [0, 100, 99_999])
def test_a_number_that_no_version_has_is_refused(world, number):
    with pytest.raises(OrganizationRefusedError, match="numbers from 1 to 99"):
        set_exceptions(world.harbor, Exceptions(api_versions=(number,)), by=Actor())

    assert not events()


# --- What exports make of them ----------------------------------------------------------------------------------------


@pytest.fixture
def api(world):
    world.roster(world.harbor, world.beneficiaries(1))
    fill(world)
    return world.api_client().sign_in()


def test_a_version_that_the_organization_cannot_use_is_refused(api, world):
    set_exceptions(world.harbor, Exceptions(api_versions=(3,)), by=Actor())

    answer = api.kick_off()

    assert answer.status_code == 403
    assert "A9994 can't use version 2 of this API" in answer.json()["issue"][0]["details"]["text"]
    with pytest.raises(PermissionDenied):
        start(world.harbor)
    assert not Job.objects.exists()


def test_types_and_dates_are_those_of_the_organization(api, world):
    before = api.kick_off("/api/v2/Group/all/$export?_type=Claim")
    wanted = Exceptions(claims_from_date=ESTABLISHED, has_partially_adjudicated=True)
    set_exceptions(world.harbor, wanted, by=Actor())
    after = api.kick_off("/api/v2/Group/all/$export?_type=Claim")

    assert (before.status_code, after.status_code) == (400, 202)
    job = Job.objects.get()
    assert (job.resource_types, job.claims_from_date) == (["Claim"], ESTABLISHED)


def test_the_page_that_starts_exports_says_that_the_version_is_not_theirs(api, world, client):
    set_exceptions(world.harbor, Exceptions(api_versions=(3,)), by=Actor())

    page = sign_in(client, world.delegate).get("/organizations/A9994/exports/new")

    assert "can’t use version 2 of the API" in page.content.decode()
