"""What has happened, in words."""

import datetime as dt
import json

import pytest
from django.utils import timezone

from credentials.actor import Actor
from credentials.clients import allow_lists, rotation
from credentials.clients.rotation import Overlap
from credentials.models import AuditEvent
from credentials.people import organizations
from credentials.trail import audit
from credentials.trail.audit import Action
from portal.words import wording
from tests.portal.pages.activity.page import PAGE, events, shown

# --- Words ----------------------------------------------------------------------------------------------------------


def test_every_act_has_a_title_of_its_own():
    titles = {wording.title_of(action) for action in Action}

    assert len(titles) == len(Action)
    assert not titles & set(Action)


def test_an_act_that_is_not_known_is_told_by_its_code():
    assert wording.title_of("moon.landed_on") == "Moon landed on"


def told(event: AuditEvent) -> dict[str, str]:
    return {fact.label: fact.text for fact in wording.facts_of(event)}


def test_a_rotation_is_told_by_its_secrets_and_their_ends(world):
    client = world.api_client().client
    old = client.secrets.get()

    secret = rotation.rotate_secret(client, overlap=Overlap.THREE_DAYS, by=Actor(user=world.delegate))

    facts = told(AuditEvent.objects.get(action=Action.SECRET_ROTATED))
    assert facts["Before"].startswith(f"…{old.hint} until ")
    assert facts["After"].count(" UTC") == 2
    assert facts["Secret"] == f"…{secret[-4:]}"
    assert facts["Overlap"] == "the old secret stays valid for 72 hours"


def test_of_a_changed_state_only_what_has_changed_is_told(world):
    state = organizations.OrganizationState(
        status=organizations.Status.LIMITED, termination_date=dt.date(2026, 10, 1), reason="Its participation ended."
    )

    organizations.set_state(world.harbor, state, by=Actor(user=world.operator))

    facts = told(AuditEvent.objects.get(action=Action.ORGANIZATION_STATE_CHANGED))
    assert facts == {
        "Before": "status: active",
        "After": "reason: Its participation ended.; status: limited; termination date: 2026-10-01",
    }


def test_a_change_of_addresses_is_told_by_both_lists(world):
    client = world.api_client().client

    allow_lists.set_addresses(client, ["1.1.1.1", "9.9.9.9"], by=Actor(user=world.delegate))

    facts = told(AuditEvent.objects.get(action=Action.ADDRESSES_CHANGED))
    assert facts == {"Before": "8.8.8.8", "After": "1.1.1.1, 9.9.9.9"}


def test_whatever_stands_in_an_event_can_be_told(world):
    event = audit.record(
        Action.TOKEN_REFUSED,
        Actor(),
        organization=world.harbor,
        reason="address_not_allowed",
        more=1200,
        minute=timezone.now(),
        odd={"a": [1, None, True, 2.5, {"b": {}}]},
        nothing="",
    )

    facts = told(event)

    assert facts["Reason"] == "The client called from an IP address that isn’t on its IP allow list."
    assert facts["Calls"] == "1,200 more like this within 1 minute"
    assert facts["Odd"] == "a: 1, none, yes, 2.5, b: none"
    assert "Nothing" not in facts


def test_what_was_written_into_an_event_is_shown_as_text(delegate, world):
    audit.record(Action.CLIENT_CREATED, Actor(), organization=world.harbor, name="<script>alert(1)</script>")

    assert "<script>alert" not in delegate.get(PAGE).content.decode()


# --- Times, and what looks like one ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+05:30", "2026-11-22T14:05:00+00:00", "20261122T140500Z"]
)
def test_a_name_that_looks_like_a_time_hides_no_event_and_is_shown_as_it_was_given(delegate, world, read, name):
    world.api_client(name=name)

    response = delegate.get(PAGE)

    assert response.status_code == 200
    assert f"Client created Addresses 8.8.8.8 Name {name}" in read(response).text


def test_a_time_keeps_its_type_beside_its_text(world):
    moment = dt.datetime(2026, 11, 22, 9, 5, tzinfo=dt.timezone(dt.timedelta(hours=-5)))

    event = audit.record(
        Action.SECRET_REVOKED,
        Actor(),
        organization=world.harbor,
        minute=moment,
        name="2026-11-22T14:05:00+00:00",
        before=[{"hint": "ab/~", "expires_at": moment}],
        after={"a/b~c": [moment]},
    )

    event.refresh_from_db()
    text = "2026-11-22T14:05:00+00:00"
    assert event.detail == {
        "minute": text, "name": text, "before": [{"hint": "ab/~", "expires_at": text}], "after": {"a/b~c": [text]},
    }  # fmt: skip
    assert event.types == {"/minute": "time", "/before/0/expires_at": "time", "/after/a~1b~0c/0": "time"}
    facts = told(event)
    assert (facts["Minute"], facts["Name"]) == ("Nov 22, 2026, 14:05 UTC", text)
    assert facts["Before"] == "…ab/~ until Nov 22, 2026, 14:05 UTC"


def test_a_time_that_was_written_down_without_its_type_is_shown_as_text(world):
    """As events before this was kept: they cannot be changed, and what is a time in them is not guessed."""
    event = AuditEvent.objects.create(
        action=Action.SECRET_REVOKED,
        organization=world.harbor,
        detail={"before": [{"hint": "abcd", "expires_at": "2026-11-22T14:05:00+00:00"}], "until": "9999-12-31T23-14"},
    )

    assert told(event) == {"Before": "…abcd until 2026-11-22T14:05:00+00:00", "Until": "9999-12-31T23-14"}


@pytest.mark.parametrize(
    ("detail", "types"),
    [
        ({"more": "many"}, {}),
        ({"until": "tomorrow"}, {"/until": "time"}),
        ({"until": "9999-12-31T23:59:59-14:00"}, {"/until": "time"}),
    ],
)
def test_an_event_that_cannot_be_put_into_words_is_shown_as_it_stands_and_hides_no_other(
    delegate, world, read, detail, types
):
    AuditEvent.objects.create(action=Action.TOKEN_REFUSED, organization=world.harbor, detail=detail, types=types)
    events(world, 2)

    response = delegate.get(PAGE)

    assert response.status_code == 200
    assert f"Access token refused Details {json.dumps(detail)}" in read(response).text
    assert len(shown(response)) == 2
