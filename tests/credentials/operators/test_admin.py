"""What operators can do about clients in the administration: by the same verbs as everybody, and after a question."""

import datetime as dt
import re

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse
from django.utils import timezone

from credentials.actor import Actor
from credentials.clients import key_registration, revocation, rotation
from credentials.clients.rotation import Overlap
from credentials.models import AuditEvent, Client, ClientSecret, Organization
from credentials.trail.audit import Action
from tests.credentials.tokens.signing import ec_key, jwk, key_set
from tests.world import UserFactory

SECRET = re.compile(r"cgs_[0-9a-f]{64}")
CLIENTS, SECRETS, KEYS = (
    reverse(f"admin:credentials_{name}_changelist") for name in ("client", "clientsecret", "clientkey")
)


@pytest.fixture
def api(world):
    return world.api_client()


@pytest.fixture
def operator(world, client):
    client.force_login(world.operator)
    return client


def act(operator, page: str, action: str, *things, **answers):
    return operator.post(
        page, {"action": action, "_selected_action": [thing.pk for thing in things], **answers}, follow=True
    )


@pytest.fixture(params=["client", "secret", "key"])
def thing(request, world, api):
    """The page of a kind of thing, the thing, and how it is called."""
    [key] = key_registration.add_keys(
        api.client, key_set(jwk(ec_key(), "k1")), name="Warehouse", by=Actor(user=world.delegate)
    )
    return {
        "client": (CLIENTS, api.client, Action.CLIENT_REVOKED),
        "secret": (SECRETS, api.client.secrets.get(), Action.SECRET_REVOKED),
        "key": (KEYS, key, Action.KEY_REVOKED),
    }[request.param]


def test_revoking_asks_first_and_is_written_down(operator, world, thing):
    page, it, action = thing

    asked = act(operator, page, "revoke", it)
    it.refresh_from_db()
    before = it.revoked_at
    done = act(operator, page, "revoke", it, confirmed="yes")

    assert "You can’t undo this" in asked.content.decode()
    assert before is None
    it.refresh_from_db()
    assert it.revoked_at is not None
    assert "1 revoked." in done.content.decode()
    assert AuditEvent.objects.get(action=action).user == world.operator


def test_what_had_ended_is_counted_apart(operator, thing):
    page, it, action = thing
    act(operator, page, "revoke", it, confirmed="yes")

    again = act(operator, page, "revoke", it, confirmed="yes")

    assert "1 already revoked or expired." in again.content.decode()
    assert AuditEvent.objects.filter(action=action).count() == 1


def test_who_may_only_look_is_offered_nothing_and_can_do_nothing(client, thing):
    page, it, action = thing
    viewer = UserFactory(is_staff=True)
    viewer.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    client.force_login(viewer)

    listed = client.get(page)
    for name in ("revoke", "rotate"):
        act(client, page, name, it, confirmed="yes", overlap="0", newest=str(ClientSecret.objects.get().pk))

    assert 'value="revoke"' not in listed.content.decode()
    it.refresh_from_db()
    assert it.revoked_at is None
    assert not AuditEvent.objects.filter(action__in=[action, Action.SECRET_ROTATED]).exists()


def test_a_secret_is_rotated_after_a_question_and_shown_once(operator, world, api):
    asked = act(operator, CLIENTS, "rotate", api.client)
    newest = re.search(r'name="newest" value="(\d+)"', asked.content.decode())[1]
    form = {"confirmed": "yes", "overlap": "24", "newest": newest}

    shown = act(operator, CLIENTS, "rotate", api.client, **form)
    again = act(operator, CLIENTS, "rotate", api.client, **form)

    new = SECRET.search(shown.content.decode())[0]
    assert ClientSecret.objects.count() == 2
    assert "no-store" in shown["Cache-Control"]
    assert [api.ask_for_token(secret=each).status_code for each in (new, api.secret)] == [200, 200]
    assert "Nothing was changed. The secret was rotated after you opened this page." in again.content.decode()
    assert not SECRET.search(again.content.decode())
    assert AuditEvent.objects.get(action=Action.SECRET_ROTATED).user == world.operator


@pytest.mark.parametrize("overlap", ["", "12", "x"])
def test_an_overlap_that_was_not_offered_changes_nothing(operator, api, overlap):
    newest = ClientSecret.objects.get().pk

    refused = act(operator, CLIENTS, "rotate", api.client, confirmed="yes", overlap=overlap, newest=newest)

    assert "Choose when the old secret stops working." in refused.content.decode()
    assert ClientSecret.objects.count() == 1


def test_a_third_secret_is_refused_with_the_reason(operator, world, api):
    rotation.rotate_secret(api.client, overlap=Overlap.DAY, by=Actor(user=world.delegate))
    newest = ClientSecret.objects.order_by("-created_at").first().pk

    refused = act(operator, CLIENTS, "rotate", api.client, confirmed="yes", overlap="24", newest=newest)

    assert "already has two secrets" in refused.content.decode()
    assert ClientSecret.objects.count() == 2


def test_secrets_are_rotated_one_client_at_a_time(operator, world, api):
    both = [api.client, world.api_client(name="Other").client]

    refused = act(operator, CLIENTS, "rotate", *both, confirmed="yes", overlap="24")

    assert "Select only one client" in refused.content.decode()
    assert ClientSecret.objects.count() == 2


@pytest.mark.parametrize("state", [*Client.State, "unused"])
def test_clients_are_found_by_their_state(operator, world, state):
    soon, now = dt.timedelta(days=3), timezone.now()

    def client(name: str, **facts):
        made = world.api_client(name=name).client
        made.secrets.update(**facts)
        return made

    client("active", expires_at=now + dt.timedelta(days=30))
    client("expiring", expires_at=now + soon)
    client("expired", expires_at=now - soon)
    revocation.revoke_client(client("revoked", expires_at=now + soon), by=Actor())
    with_key = client("active by its key", expires_at=now - soon)
    key_registration.add_keys(with_key, key_set(jwk(ec_key(), "k1")), name="Warehouse", by=Actor())
    Client.objects.exclude(name="active").update(last_used_at=now)

    found = operator.get(CLIENTS, {"state": str(state)}).context["cl"].queryset

    names = {
        "active": {"active", "active by its key"},
        "expiring": {"expiring"},
        "expired": {"expired"},
        "revoked": {"revoked"},
        "unused": {"active"},
    }[str(state)]
    assert {each.name for each in found} == names
    if state != "unused":
        assert {each.state for each in found} == {state}


def test_an_organizations_status_is_changed_by_the_verb_that_writes_it_down(operator, world):
    page = reverse("admin:credentials_organization_change", args=[world.harbor.pk])
    form = {
        "entity_id": "A9994",
        "name": "Harbor Care",
        "program_code": "SSP",
        "status": "denied",
        "memberships-TOTAL_FORMS": "0",
        "memberships-INITIAL_FORMS": "0",
    }

    answer = operator.post(page, form)

    assert answer.status_code == 302
    harbor = Organization.objects.get(pk=world.harbor.pk)
    assert (harbor.status, harbor.name) == (Organization.Status.DENIED, "Harbor Care")
    assert harbor.status_changed_at is not None
    event = AuditEvent.objects.get(action=Action.ORGANIZATION_STATE_CHANGED)
    assert (event.user, event.detail["before"]["status"]) == (world.operator, "active")


def test_a_new_organization_is_written_down(operator, world):
    form = {
        "entity_id": "K0042",
        "name": "Kidney Care",
        "program_code": "KCF",
        "status": "active",
        "memberships-TOTAL_FORMS": "0",
        "memberships-INITIAL_FORMS": "0",
    }

    operator.post(reverse("admin:credentials_organization_add"), form)

    event = AuditEvent.objects.get(action=Action.ORGANIZATION_CREATED)
    assert (event.organization.entity_id, event.user) == ("K0042", world.operator)
