import datetime as dt

import pytest
from django.utils import timezone

from credentials.actor import Actor
from credentials.clients import revocation, rotation
from credentials.clients.rotation import Overlap
from credentials.models import Client, ClientKey, ClientSecret

DAY = dt.timedelta(days=1)
MINUTE = dt.timedelta(minutes=1)


def state(**secret) -> Client.State:
    if secret:
        ClientSecret.objects.update(**secret)
    return Client.objects.prefetch_related("secrets", "keys", "key_sets").get().state


@pytest.fixture
def client(world) -> Client:
    return world.api_client().client


def test_a_new_client_is_active(client):
    assert state() == Client.State.ACTIVE


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (14 * DAY + MINUTE, Client.State.ACTIVE),
        (14 * DAY, Client.State.EXPIRING),
        (MINUTE, Client.State.EXPIRING),
        (-MINUTE, Client.State.EXPIRED),
    ],
)
def test_a_client_expires_with_its_secret_and_says_so_14_days_before(client, left, expected):
    assert state(expires_at=timezone.now() + left) == expected


def test_during_an_overlap_the_newer_secret_counts(client, world):
    rotation.rotate_secret(client, overlap=Overlap.DAY, by=Actor(user=world.delegate))

    assert state() == Client.State.ACTIVE


def test_without_a_live_secret_a_client_is_expired(client, world):
    revocation.revoke_secret(client.secrets.get(), by=Actor(user=world.delegate))

    assert state() == Client.State.EXPIRED


def test_a_revoked_client_is_revoked_whatever_it_had(client, world):
    revocation.revoke_client(client, by=Actor(user=world.delegate))

    assert state() == Client.State.REVOKED


def test_a_client_with_a_live_key_does_not_expire(client):
    ClientKey.objects.create(client=client, name="k", kid="k", algorithm="ES384", bits=384, jwk={}, thumbprint="t")

    assert state(expires_at=timezone.now()) == Client.State.ACTIVE
    ClientKey.objects.update(revoked_at=timezone.now())
    assert state() == Client.State.EXPIRED
