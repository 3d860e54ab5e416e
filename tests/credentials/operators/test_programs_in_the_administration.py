"""How operators find the organizations without a program, and give them one."""

import pytest
from django.urls import reverse

from credentials.access import gate
from credentials.actor import Actor
from credentials.models import AuditEvent, Organization
from credentials.people import organizations
from credentials.people.organizations import OrganizationRefusedError
from credentials.programs import REACH, SSP
from credentials.trail.audit import Action
from tests.world import OrganizationFactory

LIST = reverse("admin:credentials_organization_changelist")


@pytest.fixture
def operator(world, client):
    client.force_login(world.operator)
    return client


@pytest.fixture
def mistyped(world) -> Organization:
    """As the update has left it: its entity ID is not one of its program's."""
    made = OrganizationFactory(entity_id="A1234", name="Mistyped")
    Organization.objects.filter(pk=made.pk).update(program_code="", code_before="REACH")
    return Organization.objects.get(pk=made.pk)


def page_of(organization: Organization) -> str:
    return reverse("admin:credentials_organization_change", args=[organization.pk])


def save(operator, organization: Organization, **changes: str):
    """What the browser sends when an operator changes something of an organization."""
    form = operator.get(page_of(organization)).context["adminform"].form
    kept = {name: form[name].value() or "" for name in ("entity_id", "name", "program_code", "status")}
    inline = {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    return operator.post(page_of(organization), {**kept, **inline, **changes})


def changes_of_programs() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=Action.ORGANIZATION_PROGRAM_CHANGED))


@pytest.mark.parametrize(
    ("changes", "after"),
    [
        ({"program_code": "SSP"}, {"entity_id": "A1234", "program": "SSP"}),
        ({"entity_id": "D1234", "program_code": "REACH"}, {"entity_id": "D1234", "program": "REACH"}),
    ],
)
def test_with_the_right_program_or_entity_id_it_has_access_again(operator, world, mistyped, changes, after):
    api = world.api_client(mistyped)
    assert api.ask_for_token().status_code == 403

    answer = save(operator, mistyped, **changes)

    assert answer.status_code == 302
    assert api.ask_for_token().status_code == 200
    [event] = changes_of_programs()
    assert (event.organization, event.user) == (mistyped, world.operator)
    assert event.detail["before"] == {"entity_id": "A1234", "program": ""}
    assert event.detail["after"] == after
    assert Organization.objects.get(pk=mistyped.pk).code_before == after["program"]  # for the release before


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"entity_id": "D1234"}, "D1234 isn’t an entity ID of Medicare Shared Savings Program. Use one like A9994."),
        ({"entity_id": "ABC123"}, "ABC123 isn’t an entity ID of Medicare Shared Savings Program"),
        ({"program_code": "KCF"}, "A9994 isn’t an entity ID of Kidney Care First. Use one like K9990."),
        ({"program_code": ""}, "A9994 has no program. Choose the one that its entity ID belongs to"),
        ({"program_code": "KCC"}, "Select a valid choice"),
        ({"entity_id": "D9990", "program_code": "REACH"}, "already exists"),
    ],
)
def test_a_change_that_would_leave_it_without_a_program_is_refused(operator, world, changes, words):
    answer = save(operator, world.harbor, **changes)

    assert answer.status_code == 200
    assert words in answer.content.decode()
    harbor = Organization.objects.get(pk=world.harbor.pk)
    assert (harbor.entity_id, harbor.program) == ("A9994", SSP)
    assert not changes_of_programs()


def test_without_a_program_it_can_be_renamed_and_denied(operator, mistyped):
    answer = save(operator, mistyped, name="Another name", status="denied")

    assert answer.status_code == 302
    mistyped.refresh_from_db()
    assert (mistyped.name, mistyped.status, mistyped.program) == ("Another name", Organization.Status.DENIED, None)
    assert not changes_of_programs()


def test_with_the_program_of_an_app_that_was_taken_out_it_can_be_denied(operator, mistyped):
    Organization.objects.filter(pk=mistyped.pk).update(program_code="FOO", code_before="")

    answer = save(operator, mistyped, status="denied")

    mistyped.refresh_from_db()
    assert (answer.status_code, mistyped.status, mistyped.program_code) == (302, "denied", "FOO")


def test_what_the_release_before_has_created_is_shown_with_its_program_and_kept(operator, world):
    Organization.objects.filter(pk=world.mesa.pk).update(program_code="", code_before="REACH")

    answer = save(operator, world.mesa, name="Mesa Health")

    assert answer.status_code == 302
    mesa = Organization.objects.get(pk=world.mesa.pk)
    assert (mesa.name, mesa.program_code, mesa.program) == ("Mesa Health", "REACH", REACH)
    assert not changes_of_programs()


@pytest.mark.parametrize(
    ("wanted", "found"), [("none", {"A1234"}), ("SSP", {"A9994"}), ("REACH", {"D9990"}), ("KCF", set())]
)
def test_the_list_is_filtered_by_program(operator, world, mistyped, wanted, found):
    Organization.objects.filter(pk=world.mesa.pk).update(program_code="", code_before="REACH")

    page = operator.get(LIST, {"program": wanted})

    assert {each.entity_id for each in page.context["cl"].queryset} == found


def test_the_list_says_who_has_none(operator, mistyped):
    page = operator.get(LIST)

    assert '<td class="field-program_name">No program</td>' in page.content.decode()


@pytest.mark.parametrize(
    ("entity_id", "code", "words"),
    [
        ("A9994", "REACH", "A9994 isn’t an entity ID of ACO REACH"),
        ("D9990", "REACH", "D9990 already exists"),
        ("A9994", "KCC", "'KCC' isn’t a program. Use one of these: SSP, REACH, CKCC, KCF."),
    ],
)
def test_no_way_leads_to_an_organization_without_a_program(world, entity_id, code, words):
    with pytest.raises(OrganizationRefusedError, match=words):
        organizations.set_program(world.harbor, entity_id=entity_id, program_code=code, by=Actor(user=world.operator))

    assert gate.organization_refusal(Organization.objects.get(pk=world.harbor.pk)) is None
    assert not changes_of_programs()


def test_the_same_again_is_no_change(world):
    by = Actor(user=world.operator)

    assert not organizations.set_program(world.harbor, entity_id="A9994", program_code="SSP", by=by)

    assert not changes_of_programs()
