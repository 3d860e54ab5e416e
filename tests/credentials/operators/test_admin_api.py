"""The operators' verbs over HTTP."""

import datetime as dt

import pytest
from django.core.management import call_command
from django.test import Client as Browser
from django.utils import timezone

from credentials.actor import Actor
from credentials.clients import rotation
from credentials.clients.rotation import Overlap
from credentials.models import AuditEvent, Client, ClientSecret, Invitation, OperatorToken, Organization
from credentials.operators import operator_tokens
from credentials.trail.audit import Action
from tests.world import HOME_ADDRESS, OTHER_ADDRESS, sign_in

ORGANIZATIONS = "/admin-api/organizations"
HARBOR = f"{ORGANIZATIONS}/A9994"
DAY = dt.timedelta(days=1)


class Operator:
    """A program that calls with an operator's token."""

    def __init__(self, token: str) -> None:
        self.browser = Browser(REMOTE_ADDR=OTHER_ADDRESS, headers={"Authorization": f"Bearer {token}"})

    def get(self, path: str):
        return self.browser.get(path)

    def post(self, path: str, **facts):
        return self.browser.post(path, facts, content_type="application/json")

    def put(self, path: str, **facts):
        return self.browser.put(path, facts, content_type="application/json")


@pytest.fixture
def token(world) -> str:
    return operator_tokens.create_token(name="Inventory", by=Actor(user=world.operator))


@pytest.fixture
def operator(token) -> Operator:
    return Operator(token)


def event(action: Action) -> AuditEvent:
    return AuditEvent.objects.get(action=action)


def every_call(operator: Operator, client_id: str) -> list:
    """Each verb once, with what it needs."""
    return [
        operator.get(ORGANIZATIONS),
        operator.post(ORGANIZATIONS, entity_id="K0042", name="Kidney Care", program="KCF"),
        operator.get(HARBOR),
        operator.put(f"{HARBOR}/state", status="denied"),
        operator.post(f"{HARBOR}/clients", name="Other", addresses=[HOME_ADDRESS]),
        operator.post(f"{HARBOR}/invitations", email="new@harbor.example", role="credential_delegate"),
        operator.get(f"/admin-api/clients/{client_id}"),
        operator.put(f"/admin-api/clients/{client_id}/addresses", addresses=[OTHER_ADDRESS]),
        operator.post(f"/admin-api/clients/{client_id}/secret", overlap_hours=24),
        operator.post(f"/admin-api/clients/{client_id}/revocation"),
        operator.post(f"{HARBOR}/revocation", reason="Trial"),
        operator.get("/admin-api/expiring-secrets"),
    ]


# --- Who may --------------------------------------------------------------------------------------------------------


def test_an_operator_may_call_everything_and_is_named_in_the_audit_trail(operator, world):
    client = world.api_client().client

    answers = every_call(operator, client.client_id)

    assert [answer.status_code for answer in answers] == [200, 201, 200, 200, 201, 201, 200, 200, 201, 200, 200, 200]
    assert {answer["Cache-Control"] for answer in answers} == {"no-store"}
    acts = AuditEvent.objects.filter(request_id__gt="")
    assert {act.user for act in acts} == {world.operator}
    assert {act.address for act in acts} == {OTHER_ADDRESS}
    assert set(acts.values_list("action", flat=True)) == {
        Action.ORGANIZATION_CREATED, Action.ORGANIZATION_STATE_CHANGED, Action.CLIENT_CREATED, Action.SECRET_CREATED,
        Action.ADDRESSES_CHANGED, Action.SECRET_ROTATED, Action.CLIENT_REVOKED, Action.ORGANIZATION_REVOKED,
        Action.INVITATION_SENT,
    }  # fmt: skip


def spoil(kind: str, world, token: str) -> str:
    """A token that must not open, in place of one that does."""
    match kind:
        case "expired":
            OperatorToken.objects.update(expires_at=timezone.now())
        case "revoked":
            operator_tokens.revoke_token(OperatorToken.objects.get(), by=Actor(user=world.operator))
        case "of a former operator":
            world.operator.is_staff = False
            world.operator.save()
        case "of somebody who left":
            world.operator.is_active = False
            world.operator.save()
        case "of a client":
            return world.api_client(name="ETL 2").sign_in().token
        case "unknown":
            return "cgo_" + "0" * 64
        case "none":
            return ""
    return token


@pytest.mark.parametrize(
    "kind",
    ["expired", "revoked", "of a former operator", "of somebody who left", "of a client", "unknown", "none"],
)
def test_nobody_else_may_call_anything(world, token, kind):
    client = world.api_client().client
    caller = Operator(spoil(kind, world, token))

    answers = every_call(caller, client.client_id)

    assert {answer.status_code for answer in answers} == {401}
    assert all(answer["WWW-Authenticate"].startswith("Bearer") for answer in answers)
    assert Organization.objects.count() == 2
    assert Organization.objects.get(entity_id="A9994").status == "active"
    assert Client.objects.get(pk=client.pk).revoked_at is None
    assert client.secrets.live().count() == 1
    assert [address.address for address in client.addresses.all()] == [HOME_ADDRESS]


def test_an_operators_browser_may_call_too_and_anybody_elses_may_not(world):
    browsers = {}
    for person in (world.operator, world.delegate):
        browsers[person] = Browser()
        browsers[person].force_login(person)

    assert browsers[world.operator].get(ORGANIZATIONS).status_code == 200
    assert browsers[world.delegate].get(ORGANIZATIONS).status_code == 403


def test_a_browser_without_the_second_step_may_call_nothing_where_operators_need_one(world, settings):
    settings.OPERATORS_NEED_SECOND_FACTOR = True
    half, whole = (sign_in(Browser(), world.operator, with_second_factor=shown) for shown in (False, True))

    answer = half.put(f"{HARBOR}/state", {"status": "denied"}, content_type="application/json")

    assert answer.status_code == 403
    assert "two-factor authentication" in answer.json()["error"]
    assert Organization.objects.get(entity_id="A9994").status == "active"
    assert whole.get(ORGANIZATIONS).status_code == 200


def test_a_browser_that_another_site_sends_changes_nothing(world):
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(world.operator)

    answer = browser.put(f"{HARBOR}/state", {"status": "denied"}, content_type="application/json")

    assert answer.status_code == 403
    assert Organization.objects.get(entity_id="A9994").status == "active"


def test_calls_with_a_wrong_token_are_written_down_for_operators_and_limited(world, settings):
    settings.LIMIT_FAILURES_PER_ADDRESS = 2
    stranger = Operator("cgo_" + "0" * 64)

    answers = [stranger.get(ORGANIZATIONS) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [401, 401, 429, 429]
    assert int(answers[-1]["Retry-After"]) >= 1
    refused = AuditEvent.objects.filter(action=Action.REQUEST_REFUSED).order_by("id")
    assert [each.detail["reason"] for each in refused] == ["invalid_operator_token", "too_many_calls"]
    assert {each.organization for each in refused} == {None}


def test_a_token_of_an_operator_is_kept_as_a_digest_and_opens_the_clients_api_never(world, token):
    kept = OperatorToken.objects.get()
    assert token.encode() not in bytes(kept.digest)
    assert (kept.hint, (kept.expires_at - kept.created_at).days) == (token[-4:], 90)

    answer = Operator(token).get("/api/v2/jobs/1")

    assert answer.status_code == 401


def test_the_commands_make_a_token_and_end_it(world, capsys):
    call_command("create_operator_token", name="Inventory", by="operator@gate.example")
    token = capsys.readouterr().out.strip()
    operator = Operator(token)
    before = operator.get(ORGANIZATIONS).status_code

    call_command("revoke_operator_token", token[-4:], by="operator@gate.example")

    assert (before, operator.get(ORGANIZATIONS).status_code) == (200, 401)
    assert OperatorToken.objects.get().last_used_at is not None
    assert event(Action.OPERATOR_TOKEN_CREATED).user == event(Action.OPERATOR_TOKEN_REVOKED).user == world.operator


# --- What it does ---------------------------------------------------------------------------------------------------


def test_a_client_is_made_and_its_secret_told_once(operator, world):
    made = operator.post(f"{HARBOR}/clients", name="ETL", addresses=[HOME_ADDRESS, OTHER_ADDRESS])

    facts = made.json()
    assert facts["client_secret"].startswith("cgs_")
    assert (facts["organization"], facts["name"], facts["state"]) == ("A9994", "ETL", "active")
    assert facts["addresses"] == [HOME_ADDRESS, OTHER_ADDRESS]
    again = operator.get(f"/admin-api/clients/{facts['client_id']}")
    assert "client_secret" not in again.json()
    assert facts["client_secret"] not in again.content.decode()
    assert [secret["hint"] for secret in again.json()["secrets"]] == [facts["client_secret"][-4:]]


def test_a_rotation_gives_a_secret_that_opens(operator, world):
    api = world.api_client()

    made = operator.post(f"/admin-api/clients/{api.client.client_id}/secret", overlap_hours=72)

    assert made.status_code == 201
    assert len(made.json()["secrets"]) == 2
    assert api.ask_for_token(secret=made.json()["client_secret"]).status_code == 200
    assert api.ask_for_token().status_code == 200


def test_an_organization_is_limited_and_tells_its_state(operator, world):
    answer = operator.put(f"{HARBOR}/state", status="limited", termination_date="2026-09-30", claims="latest")

    assert answer.json()["state"] == {
        "status": "limited", "reason": "", "termination_date": "2026-09-30",
        "attribution": "historical", "opt_out": "historical", "claims": "latest",
    }  # fmt: skip
    assert Organization.objects.get(entity_id="A9994").bounds().claims_through_date is None


def test_everything_of_an_organization_is_ended(operator, world):
    api = world.api_client().sign_in()

    answer = operator.post(f"{HARBOR}/revocation", reason="Laptop stolen.")

    assert answer.json() == {"revoked": [api.client.client_id]}
    assert api.get("/api/v2/jobs/1").status_code == 401


def test_expiring_secrets_are_listed(operator, world):
    client = world.api_client().client
    client.secrets.update(expires_at=timezone.now() + 20 * DAY)

    def listed(query: str) -> list[str]:
        return [secret["client_id"] for secret in operator.get(f"/admin-api/expiring-secrets{query}").json()["secrets"]]

    assert (listed(""), listed("?days=21")) == ([], [client.client_id])


def test_an_organization_is_told_with_its_clients_in_few_queries(operator, world, django_assert_max_num_queries):
    for number in range(5):
        world.api_client(name=f"Client {number}")
    operator.get(HARBOR)

    with django_assert_max_num_queries(8):
        answer = operator.get(HARBOR)

    assert len(answer.json()["clients"]) == 5


# --- What it refuses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "facts", "status", "words"),
    [
        ("post", ORGANIZATIONS, {"entity_id": "A9994", "name": "x", "program": "SSP"}, 400, "already exists"),
        ("post", ORGANIZATIONS, {"entity_id": "9", "name": "x", "program": "SSP"}, 400, "isn’t an entity ID of Med"),
        ("post", ORGANIZATIONS, {"entity_id": "A1234", "name": "x", "program": "REACH"}, 400, "entity ID of ACO REACH"),
        ("post", ORGANIZATIONS, {"entity_id": "K0042", "name": "x", "program": "XYZ"}, 400, "not a valid choice"),
        ("put", f"{HARBOR}/state", {"status": "limited"}, 400, "termination date"),
        ("put", f"{HARBOR}/state", {"status": "gone"}, 400, "not a valid choice"),
        ("put", f"{ORGANIZATIONS}/A0000/state", {"status": "denied"}, 404, "There is no organization"),
        ("post", f"{HARBOR}/clients", {"name": "x", "addresses": ["10.0.0.1"]}, 400, "is a private IP address"),
        ("post", f"{HARBOR}/clients", {"name": "x", "addresses": []}, 400, "at least one IP address"),
        ("post", f"{HARBOR}/clients", {"name": "ETL", "addresses": [HOME_ADDRESS]}, 409, "already"),
        ("post", f"{HARBOR}/revocation", {}, 400, "required"),
        ("post", "/admin-api/clients/CLIENT/secret", {"overlap_hours": 48}, 400, "not a valid choice"),
        ("post", "/admin-api/clients/x/secret", {"overlap_hours": 24}, 404, "There is no client"),
        ("put", "/admin-api/clients/CLIENT/addresses", {"addresses": ["8.8.8.0/24"]}, 400, "is a range"),
        ("get", "/admin-api/expiring-secrets?days=x", {}, 400, "integer"),
        ("get", f"{ORGANIZATIONS}/A0000", {}, 404, "There is no organization"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_in_words_and_nothing_changes(operator, world, *, method, path, facts, status, words):
    client = world.api_client().client
    before = AuditEvent.objects.count()

    answer = getattr(operator, method)(path.replace("CLIENT", client.client_id), **facts)

    assert answer.status_code == status
    assert words in str(answer.json())
    assert answer.json()["error"]
    assert AuditEvent.objects.count() == before


def test_a_third_secret_and_a_revoked_client_are_conflicts(operator, world):
    client = world.api_client().client
    rotation.rotate_secret(client, overlap=Overlap.DAY, by=Actor())
    path = f"/admin-api/clients/{client.client_id}"

    third = operator.post(f"{path}/secret", overlap_hours=24)
    operator.post(f"{path}/revocation")
    late = operator.put(f"{path}/addresses", addresses=[OTHER_ADDRESS])

    assert (third.status_code, late.status_code) == (409, 409)
    assert "Revoke one of them first" in third.json()["error"]
    assert ClientSecret.objects.count() == 2


def test_broken_json_is_told(operator):
    answer = operator.browser.post(ORGANIZATIONS, "{", content_type="application/json")

    assert answer.status_code == 400
    assert "JSON" in answer.json()["error"]


def test_the_first_person_of_an_organization_is_invited(operator, world):
    answer = operator.post(f"{HARBOR}/invitations", email="new@harbor.example", role="credential_delegate")

    assert answer.status_code == 201
    assert (answer.json()["email"], answer.json()["role"]) == ("new@harbor.example", "credential_delegate")
    assert "nonce" not in answer.json()
    assert event(Action.INVITATION_SENT).user == world.operator


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({"email": "nobody", "role": "credential_delegate"}, 400),
        ({"email": "new@harbor.example", "role": "dua_custodian"}, 400),
        ({"email": "new@harbor.example", "role": "owner"}, 400),
        ({"email": "delegate@harbor.example", "role": "credential_delegate"}, 409),
    ],
)
def test_an_invitation_that_cannot_be_is_refused(operator, facts, status):
    answer = operator.post(f"{HARBOR}/invitations", **facts)

    assert answer.status_code == status
    assert answer.json()["error"]
    assert not Invitation.objects.exists()
