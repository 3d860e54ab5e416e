import datetime as dt
import itertools

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from credentials.actor import Actor
from credentials.clients import issuing, revocation, rotation
from credentials.clients.rotation import Overlap
from credentials.models import AuditEvent, ClientRevokedError, ClientSecret
from credentials.trail.audit import Action
from tests.credentials.at_once import CALLERS, at_once

JOB = "/api/v2/jobs/1"


def rotations() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action=Action.SECRET_ROTATED).order_by("id"))


def live_hints(client) -> list[str]:
    return [secret.hint for secret in client.secrets.live().order_by("created_at")]


def hints(secrets: list[dict[str, str]]) -> list[str]:
    return [secret["hint"] for secret in secrets]


@pytest.mark.parametrize(("overlap", "hours"), [(Overlap.DAY, 24), (Overlap.THREE_DAYS, 72)])
def test_both_secrets_open_until_the_overlap_ends(world, overlap, hours):
    api = world.api_client()
    before = timezone.now()

    new = rotation.rotate_secret(api.client, overlap=overlap, by=Actor(user=world.delegate))

    assert api.ask_for_token().status_code == 200
    assert api.ask_for_token(secret=new).status_code == 200
    old = ClientSecret.objects.get(hint=api.secret[-4:])
    assert dt.timedelta(0) <= old.expires_at - before - dt.timedelta(hours=hours) < dt.timedelta(minutes=1)
    ClientSecret.objects.filter(pk=old.pk).update(expires_at=timezone.now())
    refused = api.ask_for_token()
    assert refused.status_code == 401
    assert "rotated on" in refused.json()["error_description"]
    assert api.ask_for_token(secret=new).status_code == 200


def test_an_overlap_never_makes_an_old_secret_live_longer(world):
    api = world.api_client()
    soon = timezone.now() + dt.timedelta(hours=1)
    ClientSecret.objects.update(expires_at=soon)

    rotation.rotate_secret(api.client, overlap=Overlap.THREE_DAYS, by=Actor(user=world.delegate))

    assert ClientSecret.objects.get(hint=api.secret[-4:]).expires_at == soon


def test_without_overlap_the_old_secret_and_its_tokens_end_at_the_next_request(world):
    api = world.api_client().sign_in()
    assert api.get(JOB).status_code == 404

    new = rotation.rotate_secret(api.client, overlap=Overlap.NONE, by=Actor(user=world.delegate))

    assert api.get(JOB).status_code == 401
    refused = api.ask_for_token()
    assert refused.status_code == 401
    assert "revoked" in refused.json()["error_description"]
    assert api.ask_for_token(secret=new).status_code == 200


def test_an_emergency_ends_both_secrets_of_an_overlap(world):
    api = world.api_client().sign_in()
    second = rotation.rotate_secret(api.client, overlap=Overlap.DAY, by=Actor(user=world.delegate))

    third = rotation.rotate_secret(api.client, overlap=Overlap.NONE, by=Actor(user=world.delegate))

    assert api.get(JOB).status_code == 401
    assert [api.ask_for_token(secret=each).status_code for each in (api.secret, second, third)] == [401, 401, 200]
    assert live_hints(api.client) == [third[-4:]]


def test_a_third_secret_is_refused_while_two_are_live_and_the_reason_says_what_to_do(world):
    api = world.api_client()
    second = rotation.rotate_secret(api.client, overlap=Overlap.DAY, by=Actor(user=world.delegate))

    with pytest.raises(issuing.TwoSecretsError, match="Revoke one of them first") as refused:
        rotation.rotate_secret(api.client, overlap=Overlap.DAY, by=Actor(user=world.delegate))
    with pytest.raises(issuing.TwoSecretsError):
        issuing.issue_secret(api.client, by=Actor(user=world.delegate))

    assert api.secret[-4:] in str(refused.value)
    assert live_hints(api.client) == [api.secret[-4:], second[-4:]]
    assert len(rotations()) == 1


def test_after_the_overlap_a_secret_can_be_rotated_again(world):
    api = world.api_client()
    second = rotation.rotate_secret(api.client, overlap=Overlap.DAY, by=Actor(user=world.delegate))
    ClientSecret.objects.filter(hint=api.secret[-4:]).update(expires_at=timezone.now())

    third = rotation.rotate_secret(api.client, overlap=Overlap.DAY, by=Actor(user=world.delegate))

    assert live_hints(api.client) == [second[-4:], third[-4:]]


def test_an_expired_secret_is_rotated_too_and_the_addresses_stay(world):
    api = world.api_client()
    ClientSecret.objects.update(expires_at=timezone.now())

    new = rotation.rotate_secret(api.client, overlap=Overlap.DAY, by=Actor(user=world.delegate))

    assert api.ask_for_token(secret=new).status_code == 200
    assert api.ask_for_token().status_code == 401


def test_the_overlap_can_be_ended_before_its_time(world):
    api = world.api_client().sign_in()
    new = rotation.rotate_secret(api.client, overlap=Overlap.THREE_DAYS, by=Actor(user=world.delegate))

    replaced = api.client.secrets.exclude(replaced_at=None).get()
    assert revocation.revoke_secret(replaced, by=Actor(user=world.delegate))

    assert api.get(JOB).status_code == 401
    assert live_hints(api.client) == [new[-4:]]
    event = AuditEvent.objects.get(action=Action.SECRET_REVOKED)
    assert (event.user, hints(event.detail["before"])) == (world.delegate, [api.secret[-4:]])


def test_a_revoked_client_gets_no_new_secret(world):
    client = world.api_client().client
    revocation.revoke_client(client, by=Actor(user=world.delegate))

    with pytest.raises(ClientRevokedError):
        rotation.rotate_secret(client, overlap=Overlap.NONE, by=Actor(user=world.delegate))

    assert not client.secrets.live().exists()
    assert not rotations()


def test_a_rotation_is_written_down_with_before_and_after_and_without_the_secret(world):
    api = world.api_client()

    new = rotation.rotate_secret(api.client, overlap=Overlap.DAY, by=Actor(user=world.delegate))

    (event,) = rotations()
    assert (event.user, event.client, event.organization) == (world.delegate, api.client, world.harbor)
    assert hints(event.detail["before"]) == [api.secret[-4:]]
    assert hints(event.detail["after"]) == [api.secret[-4:], new[-4:]]
    assert event.detail["overlap_hours"] == 24
    assert new not in str(event.detail)


def test_a_rotation_that_fails_leaves_the_old_secret_as_it_was(world, monkeypatch):
    api = world.api_client()
    before = ClientSecret.objects.get()

    def fail(*_arguments, **_options):
        raise RuntimeError

    monkeypatch.setattr(rotation.audit, "record", fail)
    with pytest.raises(RuntimeError):
        rotation.rotate_secret(api.client, overlap=Overlap.NONE, by=Actor(user=world.delegate))
    monkeypatch.undo()

    after = ClientSecret.objects.get()
    assert (after.expires_at, after.revoked_at, after.slot) == (before.expires_at, None, before.slot)
    assert api.ask_for_token().status_code == 200


def test_the_database_itself_holds_no_third_secret(world):
    client = world.api_client().client
    issuing.issue_secret(client, by=Actor(user=world.delegate))
    facts = {"client": client, "digest": b"x" * 32, "expires_at": timezone.now() + dt.timedelta(days=1)}

    for slot in (1, 2, 3):
        with pytest.raises(IntegrityError), transaction.atomic():
            ClientSecret.objects.create(slot=slot, **facts)
    outside = ClientSecret.objects.create(slot=None, **facts)

    assert not outside.is_live
    assert client.secrets.live().count() == 2


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("overlap", [Overlap.DAY, Overlap.NONE])
def test_many_rotations_at_once_leave_two_secrets_at_most_and_a_trail_that_agrees(world, overlap):
    api = world.api_client()

    answers = at_once(lambda _number: rotation.rotate_secret(api.client, overlap=overlap, by=Actor()))

    made = [answer for answer in answers if isinstance(answer, str)]
    refused = [answer for answer in answers if isinstance(answer, issuing.TwoSecretsError)]
    assert len(made) + len(refused) == CALLERS
    assert len(made) == (1 if overlap else CALLERS)
    assert 1 <= api.client.secrets.live().count() <= 2
    events = rotations()
    assert len(events) == len(made)
    assert hints(events[-1].detail["after"]) == live_hints(api.client)
    for earlier, later in itertools.pairwise(events):
        assert earlier.detail["after"] == later.detail["before"]
    opening = [secret for secret in made if api.ask_for_token(secret=secret).status_code == 200]
    assert [secret[-4:] for secret in opening] == live_hints(api.client)[-1:]


@pytest.mark.django_db(transaction=True)
def test_tokens_that_are_bought_during_rotations_neither_fail_nor_lock_them(world):
    api = world.api_client()

    def act(number: int) -> int | str:
        if number % 2:
            return api.ask_for_token().status_code
        return rotation.rotate_secret(api.client, overlap=Overlap.NONE, by=Actor())

    answers = at_once(act)

    assert {type(answer) for answer in answers} == {int, str}, answers
    assert {answer for answer in answers if isinstance(answer, int)} <= {200, 401}
    assert api.client.secrets.live().count() == 1
