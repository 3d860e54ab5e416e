"""What operators do at a shell."""

import datetime as dt
import io
import json

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from credentials.actor import Actor
from credentials.clients import revocation, rotation
from credentials.clients.rotation import Overlap
from credentials.models import AuditEvent, Client, ClientSecret, Invitation, OperatorToken, Organization
from credentials.programs import KCF
from credentials.trail.audit import Action

OPERATOR = "operator@gate.example"
DAY = dt.timedelta(days=1)


class Said:
    """What a command wrote."""

    def __init__(self, *arguments, **options) -> None:
        out, err = io.StringIO(), io.StringIO()
        call_command(*arguments, stdout=out, stderr=err, **options)
        self.out, self.err = out.getvalue(), err.getvalue()


def event(action: Action) -> AuditEvent:
    return AuditEvent.objects.get(action=action)


def test_an_organization_is_made(world):
    said = Said("create_organization", "K0042", name="Kidney Care", program="KCF", by=OPERATOR)

    made = Organization.objects.get(entity_id="K0042")
    assert (made.name, made.program, made.is_sandbox) == ("Kidney Care", KCF, False)
    assert "Made: K0042 Kidney Care." in said.out
    assert event(Action.ORGANIZATION_CREATED).user == world.operator


def test_an_organization_that_cannot_be_is_not_made(world):
    with pytest.raises(CommandError, match="already exists"):
        Said("create_organization", "A9994", name="Harbor", program="SSP", by=OPERATOR)

    assert Organization.objects.count() == 2


def test_an_organization_is_shut_out_on_the_same_day(world):
    api = world.api_client().sign_in()

    said = Said("set_organization_state", "A9994", "denied", reason="Left the program.", by=OPERATOR)

    assert "A9994 is denied now." in said.out
    assert api.get("/api/v2/jobs/1").status_code == 403
    assert event(Action.ORGANIZATION_STATE_CHANGED).user == world.operator


def test_an_organization_is_limited_with_its_strategies(world):
    Said(
        "set_organization_state", "A9994", "limited", "--termination-date", "2026-09-30", "--claims", "latest",
        by=OPERATOR,
    )  # fmt: skip

    bounds = Organization.objects.get(entity_id="A9994").bounds()
    assert (bounds.attribution_until, bounds.claims_through_date) == (dt.date(2026, 9, 30), None)


def test_a_limited_organization_needs_a_date_and_the_reason_says_how_to_give_it(world):
    with pytest.raises(CommandError, match="--termination-date"):
        Said("set_organization_state", "A9994", "limited", by=OPERATOR)

    assert Organization.objects.get(entity_id="A9994").status == "active"


def test_expiring_secrets_are_listed_the_next_first(world):
    for name, left in (("Soon", 3 * DAY), ("Later", 13 * DAY), ("Far", 15 * DAY), ("Over", -DAY)):
        client = world.api_client(name=name).client
        client.secrets.update(expires_at=timezone.now() + left)
    done = world.api_client(name="Rotated").client
    done.secrets.update(expires_at=timezone.now() + DAY)
    rotation.rotate_secret(done, overlap=Overlap.DAY, by=Actor())
    gone = world.api_client(name="Revoked").client
    gone.secrets.update(expires_at=timezone.now() + DAY)
    revocation.revoke_client(gone, by=Actor())

    lines = [json.loads(line) for line in Said("list_expiring_secrets", as_json=True).out.splitlines()]

    assert [line["client"] for line in lines] == ["Over", "Soon", "Later"]
    assert {line["organization"] for line in lines} == {"A9994"}
    assert "Far" in Said("list_expiring_secrets", days=20).out


def test_an_expired_secret_that_was_rotated_since_is_not_listed(world):
    client = world.api_client().client
    client.secrets.update(expires_at=timezone.now() - DAY)
    rotation.rotate_secret(client, overlap=Overlap.NONE, by=Actor())

    assert Said("list_expiring_secrets").out == ""


def test_everything_of_an_organization_is_ended(world):
    api, theirs = world.api_client(), world.api_client(world.mesa, name="Theirs")

    said = Said("revoke_everything", "A9994", reason="Laptop stolen.", yes=True, by=OPERATOR)

    assert "1 clients of A9994" in said.out
    assert (api.ask_for_token().status_code, theirs.ask_for_token().status_code) == (401, 200)
    assert event(Action.ORGANIZATION_REVOKED).detail["reason"] == "Laptop stolen."


@pytest.mark.parametrize("answer", ["", "y", "D9990"])
def test_whoever_does_not_write_the_id_ends_nothing(world, monkeypatch, answer):
    world.api_client()
    monkeypatch.setattr("builtins.input", lambda _question: answer)

    with pytest.raises(CommandError, match="Nothing was changed"):
        Said("revoke_everything", "A9994", reason="Trial", by=OPERATOR)

    assert Client.objects.live().count() == 1


def test_a_secret_is_rotated_and_standard_output_holds_it_alone(world):
    api = world.api_client()

    said = Said("rotate_secret", api.client.client_id, overlap=24, by=OPERATOR)

    assert api.ask_for_token(secret=said.out.strip()).status_code == 200
    assert said.out.strip() not in said.err
    assert event(Action.SECRET_ROTATED).user == world.operator


def test_what_cannot_be_rotated_is_told_with_what_to_do(world):
    api = world.api_client()
    rotation.rotate_secret(api.client, overlap=Overlap.DAY, by=Actor())

    with pytest.raises(CommandError, match="To revoke both, use an overlap of 0"):
        Said("rotate_secret", api.client.client_id, overlap=24, by=OPERATOR)
    revocation.revoke_client(api.client, by=Actor())
    with pytest.raises(CommandError, match="is revoked"):
        Said("rotate_secret", api.client.client_id, overlap=0, by=OPERATOR)

    assert ClientSecret.objects.count() == 2


@pytest.mark.parametrize(
    ("command", "arguments", "options"),
    [
        ("create_organization", ["K0042"], {"name": "x", "program": "KCF"}),
        ("set_organization_state", ["A9994", "denied"], {}),
        ("revoke_everything", ["A9994"], {"reason": "x", "yes": True}),
        ("create_operator_token", [], {"name": "x"}),
    ],
)
@pytest.mark.parametrize("who", ["delegate@harbor.example", "nobody@gate.example"])
def test_a_command_is_given_by_an_operator_or_not_at_all(world, command, arguments, options, who):
    api = world.api_client()
    before = AuditEvent.objects.count()

    with pytest.raises(CommandError, match="no operator"):
        Said(command, *arguments, by=who, **options)

    assert AuditEvent.objects.count() == before
    assert api.ask_for_token().status_code == 200
    assert not OperatorToken.objects.exists()


@pytest.mark.parametrize(
    ("command", "arguments", "options"),
    [
        ("set_organization_state", ["A0000", "denied"], {}),
        ("revoke_everything", ["A0000"], {"reason": "x", "yes": True}),
        ("rotate_secret", ["00000000-0000-0000-0000-000000000000"], {"overlap": 0}),
        ("revoke_operator_token", ["0000"], {}),
    ],
)
def test_what_is_not_there_is_told(world, command, arguments, options):
    with pytest.raises(CommandError, match=r"There is no|No operator has"):
        Said(command, *arguments, by=OPERATOR, **options)


def test_the_first_person_is_invited(world):
    said = Said("invite", "A9994", "new@harbor.example", by=OPERATOR)

    assert (
        "Invited new@harbor.example to A9994 Harbor Care Alliance as Credential Delegate. The invitation expires"
        in said.out
    )
    assert Invitation.objects.get().nonce not in said.out
    assert event(Action.INVITATION_SENT).user == world.operator


def test_where_a_program_has_several_roles_one_is_named(world):
    with pytest.raises(CommandError, match="Choose one with --role: executive_contact"):
        Said("invite", "D9990", "new@mesa.example", by=OPERATOR)
    with pytest.raises(CommandError, match="Choose one of these roles"):
        Said("invite", "D9990", "new@mesa.example", role="credential_delegate", by=OPERATOR)
    before = Invitation.objects.count()
    Said("invite", "D9990", "new@mesa.example", role="dua_custodian", by=OPERATOR)

    assert (before, Invitation.objects.get().role) == (0, "dua_custodian")
