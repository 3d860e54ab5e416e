"""A client's state is decided once: the property and the queryset agree on everything that a client can have."""

import datetime as dt
import itertools

import pytest
from django.utils import timezone

from credentials import notices
from credentials.access import gate
from credentials.lifetimes import EXPIRES_SOON
from credentials.models import Client, ClientKey, ClientKeySet, ClientSecret, Notice, Organization

DAY = dt.timedelta(days=1)
STATE = Client.State
# Each secret as (expires after, has a slot, is replaced, is revoked).
SECRETS = {
    "none": [],
    "live": [(60 * DAY, True, False, False)],
    "expiring": [(3 * DAY, True, False, False)],
    "expired": [(-DAY, True, False, False)],
    "expired without a slot": [(-DAY, False, False, False)],
    "revoked": [(60 * DAY, False, False, True)],
    "replaced": [(60 * DAY, True, False, False), (DAY, True, True, False)],
    "replaced, and the new one revoked": [(60 * DAY, False, False, True), (DAY, True, True, False)],
    "expired and new": [(-DAY, True, True, False), (EXPIRES_SOON + DAY, True, False, False)],
}
KEYS = ["none", "live", "revoked", "revoked and live"]
ORGANIZATIONS = ["active", "limited", "denied", "without program"]
CASES = list(itertools.product([False, True], SECRETS, KEYS, KEYS[:3], ORGANIZATIONS))


@pytest.fixture
def cases(world) -> dict[int, tuple]:
    """One client for each case, by its primary key."""
    now = timezone.now()
    of = {
        "active": world.harbor,
        "limited": Organization(
            entity_id="A0001", program_code="SSP", status="limited", termination_date=dt.date(2026, 1, 1)
        ),
        "denied": Organization(entity_id="A0002", program_code="SSP", status="denied"),
        "without program": Organization(entity_id="A0003", program_code="REACH"),
    }
    Organization.objects.bulk_create(each for each in of.values() if each.pk is None)
    clients = Client.objects.bulk_create(
        Client(organization=of[organization], name=f"Client {number}", revoked_at=now if is_revoked else None)
        for number, (is_revoked, *_, organization) in enumerate(CASES)
    )
    ClientSecret.objects.bulk_create(
        ClientSecret(
            client=client,
            slot=place if has_slot else None,
            digest=f"{client.pk}:{place}".encode(),
            expires_at=now + left,
            replaced_at=now if is_replaced else None,
            revoked_at=now if is_revoked else None,
        )
        for client, case in zip(clients, CASES, strict=True)
        for place, (left, has_slot, is_replaced, is_revoked) in enumerate(SECRETS[case[1]], start=1)
    )
    ends = {"none": [], "live": [None], "revoked": [now], "revoked and live": [now, None]}
    facts = {"name": "k", "kid": "k", "algorithm": "ES384", "bits": 384, "jwk": {}, "thumbprint": "t"}
    ClientKey.objects.bulk_create(
        ClientKey(client=client, revoked_at=end, **facts)
        for client, case in zip(clients, CASES, strict=True)
        for end in ends[case[2]]
    )
    ClientKeySet.objects.bulk_create(
        ClientKeySet(client=client, url="https://keys.example/", revoked_at=end)
        for client, case in zip(clients, CASES, strict=True)
        for end in ends[case[3]]
    )
    return {client.pk: case for client, case in zip(clients, CASES, strict=True)}


def expected(is_revoked, secret, key, key_set, _organization) -> Client.State:
    """What the documents say: revoked; active by a key; else what the last of the live secrets says."""
    if is_revoked:
        return STATE.REVOKED
    if "live" in key or "live" in key_set:
        return STATE.ACTIVE
    return {
        **dict.fromkeys(["live", "replaced", "expired and new"], STATE.ACTIVE),
        **dict.fromkeys(["expiring", "replaced, and the new one revoked"], STATE.EXPIRING),
    }.get(secret, STATE.EXPIRED)


def test_the_property_and_the_queryset_agree_with_what_is_expected(cases):
    by_property = {
        client.pk: client.state
        for client in Client.objects.filter(pk__in=cases).prefetch_related("secrets", "keys", "key_sets")
    }
    by_queryset = [
        (pk, state)
        for state in STATE
        for pk in Client.objects.in_state(state).values_list("pk", flat=True)
        if pk in cases
    ]

    assert len(by_queryset) == len(cases)  # each client in one state
    assert {pk: (by_property[pk], state) for pk, state in by_queryset if by_property[pk] != state} == {}
    assert {pk: cases[pk] for pk in cases if by_property[pk] != expected(*cases[pk])} == {}


def test_both_agree_at_the_very_moment_of_a_change(world, monkeypatch):
    now = timezone.now()
    monkeypatch.setattr("credentials.models.client.timezone.now", lambda: now)
    client = world.api_client().client

    for left in (EXPIRES_SOON, EXPIRES_SOON + dt.timedelta(microseconds=1), dt.timedelta(0), dt.timedelta.resolution):
        client.secrets.update(expires_at=now + left)
        [found] = [state for state in STATE if Client.objects.in_state(state).filter(pk=client.pk).exists()]
        assert Client.objects.get(pk=client.pk).state == found


def test_a_secret_is_live_for_both(cases):
    by_property = {secret.pk for secret in ClientSecret.objects.all() if secret.is_live}

    assert set(ClientSecret.objects.live().values_list("pk", flat=True)) == by_property


def test_organizations_without_access_are_those_that_the_gate_refuses(cases):
    refused = {organization.entity_id for organization in gate.refused_organizations()}

    assert refused == {"A0002", "A0003"}
    for client in Client.objects.filter(pk__in=cases).select_related("organization"):
        is_refused = client.organization.entity_id in refused or client.revoked_at is not None
        assert (gate.standing_refusal(client) is not None) == is_refused


@pytest.mark.parametrize("state", [*STATE, "denied"])
def test_the_administration_finds_by_what_its_list_says(cases, world, client, state):
    client.force_login(world.operator)
    page = client.get("/admin/credentials/client/", {"state": str(state), "all": ""}).context["cl"]

    shown = {each.pk: page.model_admin.state(each) for each in page.queryset}

    labels = {"Access denied"} if state == "denied" else {state.label}
    whole = Client.objects.filter(pk__in=cases).select_related("organization")
    assert set(shown.values()) == labels
    assert shown.keys() & cases.keys() == {each.pk for each in whole if page.model_admin.state(each) in labels}


def test_an_organization_without_a_program_is_not_reminded(world, cases):
    Organization.objects.filter(entity_id="A9994").update(program_code="REACH", code_before="ACO")

    notices.write_reminders()
    before = Notice.objects.count()
    Organization.objects.filter(entity_id="A9994").update(program_code="SSP")
    notices.write_reminders()

    assert before == 0
    assert Notice.objects.exists()
