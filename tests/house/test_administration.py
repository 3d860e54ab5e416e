"""The operators' pages: all open, and what may only be looked at cannot be changed, not even by hand-made requests."""

import pytest
from django.contrib import admin
from django.urls import reverse

from attribution.models import RosterFile
from credentials.key_registration import add_keys
from credentials.models import AccessToken, AuditEvent, Client, ClientKey, ClientSecret, Organization, User
from exports.models import Job, Load
from tests.credentials.signing import ec_key, jwk, key_set
from tests.exports.store import load, patient

LOOK_ONLY = (AccessToken, AuditEvent, Client, ClientKey, ClientSecret, Job, Load)


@pytest.fixture
def operator(world, client):
    """An operator's browser, in a world where there is one of everything."""
    mbis = world.beneficiaries(2)
    world.roster(world.harbor, mbis)
    load({mbi: [patient(mbi)] for mbi in mbis})
    api = world.api_client().sign_in()
    api.kick_off()
    add_keys(api.client, key_set(jwk(ec_key(), "k1")), name="Warehouse", by=world.delegate)
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


@pytest.mark.parametrize("model", [Organization, User, Client, AccessToken, AuditEvent, RosterFile, Job, Load])
def test_every_thing_can_be_looked_at(operator, model):
    thing = model.objects.first()
    page = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_change", args=[thing.pk])

    answer = operator.get(page)

    assert answer.status_code == 200
    assert "cgs_" not in answer.content.decode()
    assert "cgt_" not in answer.content.decode()


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


def test_a_secret_cannot_be_changed_through_its_clients_page(operator):
    secret = ClientSecret.objects.get()
    page = reverse("admin:credentials_client_change", args=[secret.client.pk])

    answer = operator.post(
        page, {"secrets-TOTAL_FORMS": "1", "secrets-0-id": secret.pk, "secrets-0-expires_at_0": "2999-01-01"}
    )

    assert answer.status_code == 403
    assert ClientSecret.objects.get().expires_at == secret.expires_at


def test_an_operator_makes_an_organization_a_person_and_a_membership(operator):
    made = operator.post(
        reverse("admin:credentials_organization_add"),
        {
            "entity_id": "K0042",
            "name": "Kidney Care",
            "program": "KCC",
            "status": "active",
            "memberships-TOTAL_FORMS": "1",
            "memberships-INITIAL_FORMS": "0",
            "memberships-0-user": User.objects.get(email="delegate@harbor.example").pk,
            "memberships-0-role": "dua_custodian",
        },
    )

    assert made.status_code == 302
    membership = Organization.objects.get(entity_id="K0042").memberships.get()
    assert membership.manages_credentials


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
