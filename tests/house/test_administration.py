"""The operators' pages: all open, and what may only be looked at cannot be changed, not even by hand-made requests."""

import copy

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.urls import reverse

from attribution.models import RosterFile
from credentials.actor import Actor
from credentials.clients.key_registration import add_keys
from credentials.models import (
    AccessToken,
    AuditEvent,
    Client,
    ClientKey,
    ClientSecret,
    Invitation,
    Membership,
    Organization,
    User,
)
from credentials.people import invitations
from exports.models import Job, Load
from portal.mail.tasks import send_mail
from tests.credentials.tokens.signing import ec_key, jwk, key_set
from tests.exports.store import load, patient
from tests.world import UserFactory, World

LOOK_ONLY = (AccessToken, AuditEvent, Client, ClientKey, ClientSecret, Job, Load, Membership)


@pytest.fixture(scope="module")
def one_of_each(kept) -> World:
    """A world in which there is one of everything."""
    world = World()
    mbis = world.beneficiaries(2)
    world.roster(world.harbor, mbis)
    load({mbi: [patient(mbi)] for mbi in mbis})
    api = world.api_client().sign_in()
    api.kick_off()
    add_keys(api.client, key_set(jwk(ec_key(), "k1")), name="Warehouse", by=Actor(user=world.delegate))
    invitations.invite(
        world.harbor, email="new@harbor.example", role="credential_delegate", by=Actor(user=world.delegate)
    )
    return world


@pytest.fixture
def world(db, one_of_each) -> World:
    return copy.deepcopy(one_of_each)


@pytest.fixture
def operator(world, client):
    """An operator's browser."""
    client.force_login(world.operator)
    return client


def pages(name: str, *arguments) -> list[str]:
    return [
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=arguments)
        for model in admin.site._registry
        if model._meta.app_label in {"credentials", "attribution", "exports"}
    ]


def test_every_list_opens(operator):
    answers = {page: operator.get(page).status_code for page in pages("changelist")}

    assert len(answers) >= 9
    assert set(answers.values()) == {200}, answers


@pytest.mark.parametrize(
    "model", [Organization, User, Client, AccessToken, AuditEvent, Invitation, Membership, RosterFile, Job, Load]
)
def test_every_thing_can_be_looked_at(operator, model):
    thing = model.objects.first()
    page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[thing.pk])

    answer = operator.get(page)

    assert answer.status_code == 200
    assert "cgs_" not in answer.content.decode()
    assert "cgt_" not in answer.content.decode()
    assert Invitation.objects.get().nonce not in answer.content.decode()


@pytest.mark.parametrize("model", LOOK_ONLY)
@pytest.mark.parametrize("action", ["add", "change", "delete"])
def test_what_may_only_be_looked_at_cannot_be_changed(operator, model, action):
    thing = model.objects.first()
    before = model.objects.count()
    arguments = [] if action == "add" else [thing.pk]
    page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{action}", args=arguments)

    answer = operator.post(page, {"post": "yes"})

    assert answer.status_code == 403
    assert model.objects.count() == before


@pytest.mark.parametrize("action", ["change", "delete"])
def test_an_invitation_is_not_edited(operator, action):
    invitation = Invitation.objects.get()
    page = reverse(f"admin:credentials_invitation_{action}", args=[invitation.pk])

    answer = operator.post(page, {"post": "yes", "email": "mine@evil.example", "role": "dua_custodian"})

    assert answer.status_code == 403
    assert Invitation.objects.get().email == "new@harbor.example"


def test_a_secret_cannot_be_changed_through_its_clients_page(operator):
    secret = ClientSecret.objects.get()
    page = reverse("admin:credentials_client_change", args=[secret.client.pk])

    answer = operator.post(
        page, {"secrets-TOTAL_FORMS": "1", "secrets-0-id": secret.pk, "secrets-0-expires_at_0": "2999-01-01"}
    )

    assert answer.status_code == 403
    assert ClientSecret.objects.get().expires_at == secret.expires_at


def test_an_operator_makes_an_organization_and_invites_its_first_person(operator, mailoutbox):
    made = operator.post(
        reverse("admin:credentials_organization_add"),
        {
            "entity_id": "K0042",
            "name": "Kidney Care",
            "program_code": "KCF",
            "status": "active",
            "memberships-TOTAL_FORMS": "1",
            "memberships-INITIAL_FORMS": "0",
            "memberships-0-user": User.objects.get(email="delegate@harbor.example").pk,
            "memberships-0-role": "dua_custodian",
        },
    )
    organization = Organization.objects.get(entity_id="K0042")
    page = reverse("admin:credentials_invitation_add")
    facts = {"organization": organization.pk, "email": "first@kidney.example", "name": ""}
    refused = operator.post(page, {**facts, "role": "credential_delegate"}, follow=True)
    before = Invitation.objects.count()
    invited = operator.post(page, {**facts, "role": "dua_custodian"})
    again = operator.post(page, {**facts, "role": "dua_custodian"}, follow=True)
    send_mail()

    assert made.status_code == invited.status_code == 302
    assert (
        "No invitation was sent. This program doesn’t have that role. Choose one of these roles"
        in refused.content.decode()
    )
    assert before == 1
    assert "is already invited" in again.content.decode()
    assert not organization.memberships.exists()
    assert Invitation.objects.get(email="first@kidney.example").organization == organization
    assert AuditEvent.objects.filter(action="invitation.sent", user__email="operator@gate.example").count() == 1
    assert ["first@kidney.example"] in [mail.to for mail in mailoutbox]


def test_an_operator_sends_an_invitation_again_and_withdraws_it(operator):
    invitation = Invitation.objects.get()
    page = reverse("admin:credentials_invitation_changelist")

    for action in ("resend", "withdraw", "resend"):
        operator.post(page, {"action": action, "_selected_action": [invitation.pk]})

    row = Invitation.objects.get()
    assert row.nonce != invitation.nonce
    assert row.withdrawn_by.email == "operator@gate.example"


def test_an_operator_removes_a_member_after_a_question(operator):
    member = Membership.objects.get(user__email="delegate@harbor.example")
    page = reverse("admin:credentials_membership_changelist")
    deed = {"action": "remove", "_selected_action": [member.pk]}

    asked = operator.post(page, deed)
    before = Membership.objects.filter(pk=member.pk).exists()
    operator.post(page, {**deed, "made": "revoke"})

    assert "The client ETL, with its secrets and keys" in asked.content.decode()
    assert before
    assert not Membership.objects.filter(pk=member.pk).exists()
    assert Client.objects.get().revoked_at is not None
    assert AuditEvent.objects.filter(action="member.removed", user__email="operator@gate.example").exists()


def test_what_an_operator_changes_of_a_person_is_in_the_organizations_trail(operator):
    person = User.objects.get(email="delegate@harbor.example")
    page = reverse("admin:credentials_user_change", args=[person.pk])
    as_it_is = {"email": person.email, "name": person.name, "is_active": "on"}

    operator.post(page, as_it_is)
    changed = operator.post(page, {"email": "taken@over.example", "name": person.name, "is_staff": "on"})

    assert changed.status_code == 302
    event = AuditEvent.objects.get(action="person.changed")
    assert (event.user.email, event.organization.entity_id) == ("operator@gate.example", "A9994")
    assert event.detail["before"] == {"email": "delegate@harbor.example", "is_active": True, "is_staff": False}
    assert event.detail["after"] == {"email": "taken@over.example", "is_active": False, "is_staff": True}


def test_a_person_whom_an_operator_makes_is_in_the_trail(operator):
    password = "three small boats at dawn"  # nobody's
    facts = {"email": "made@gate.example", "name": "Made", "password1": password, "password2": password}

    operator.post(reverse("admin:credentials_user_add"), facts)

    event = AuditEvent.objects.get(action="person.created")
    assert (event.organization, event.detail) == (None, {"person": "made@gate.example"})


@pytest.mark.parametrize("usable", ["true", "false"])
def test_a_password_that_an_operator_sets_is_in_the_trail(operator, usable):
    person = User.objects.get(email="delegate@harbor.example")
    page = reverse("admin:auth_user_password_change", args=[person.pk])
    password = "three small boats at dawn"  # nobody's
    facts = {"usable_password": usable, "password1": password, "password2": password}

    refused = operator.post(page, {**facts, "password1": "too short", "password2": "too short"})
    operator.post(page, {**facts, "set-password" if usable == "true" else "unset-password": ""})

    assert refused.status_code == (200 if usable == "true" else 302)
    person.refresh_from_db()
    assert person.has_usable_password() is (usable == "true")
    event = AuditEvent.objects.get(action="password.changed")
    assert (event.user.email, event.detail["person"]) == ("operator@gate.example", person.email)
    assert password not in str(event.detail)


def test_who_may_only_look_neither_invites_nor_removes(client, operator):
    viewer = UserFactory(is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(viewer)
    invitation, member = Invitation.objects.get(), Membership.objects.first()

    answers = [client.get(page).status_code for page in pages("changelist")]
    added = client.post(reverse("admin:credentials_invitation_add"), {"email": "new@harbor.example"})
    for page, action, thing in (
        ("invitation", "resend", invitation),
        ("invitation", "withdraw", invitation),
        ("membership", "remove", member),
    ):
        client.post(
            reverse(f"admin:credentials_{page}_changelist"),
            {"action": action, "_selected_action": [thing.pk], "made": "revoke"},
        )

    assert 200 in answers
    assert added.status_code == 403
    assert Invitation.objects.get().nonce == invitation.nonce
    assert Invitation.objects.get().is_open
    assert Membership.objects.filter(pk=member.pk).exists()


def test_a_person_is_not_deleted_with_memberships(operator):
    person = User.objects.get(email="delegate@harbor.example")

    answer = operator.post(reverse("admin:credentials_user_delete", args=[person.pk]), {"post": "yes"})

    assert answer.status_code == 403
    assert User.objects.filter(pk=person.pk).exists()


def test_an_operator_calls_off_a_job(operator):
    job = Job.objects.get()

    operator.post(reverse("admin:exports_job_changelist"), {"action": "cancel", "_selected_action": [job.pk]})

    job.refresh_from_db()
    assert job.status == Job.Status.CANCELLED
    assert AuditEvent.objects.filter(action="export.cancelled", user__email="operator@gate.example").exists()


@pytest.mark.parametrize("who", ["delegate@harbor.example", None])
def test_nobody_else_comes_in(world, client, who):
    if who:
        client.force_login(User.objects.get(email=who))

    answers = [client.get(page) for page in pages("changelist")]

    assert {answer.status_code for answer in answers} == {302}
    assert all("/admin/login/" in answer["Location"] for answer in answers)
