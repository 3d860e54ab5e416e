"""What has happened in an organization, as its people read it and take it along."""

import csv
import datetime as dt
import io
import json
import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from credentials.clients import allow_lists, rotation
from credentials.clients.rotation import Overlap
from credentials.models import AuditEvent
from credentials.people import organizations
from credentials.trail import audit
from credentials.trail.audit import Action
from portal.pages.activity import paging
from portal.words import wording

PAGE = "/organizations/A9994/audit"
NOON = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)


def events(world, count: int, *, at: dt.datetime = NOON, step: dt.timedelta = dt.timedelta(minutes=1), **facts):
    """So many events, one each minute."""
    return AuditEvent.objects.bulk_create(
        AuditEvent(
            action=facts.get("action", Action.TOKEN_ISSUED),
            organization=facts.get("organization", world.harbor),
            user=facts.get("user"),
            client=facts.get("client"),
            outcome=facts.get("outcome", AuditEvent.Outcome.DONE),
            occurred_at=at + number * step,
            request_id=f"{facts.get('name', 'event')}-{number:03}",
        )
        for number in range(count)
    )


def shown(response) -> list[str]:
    return re.findall(r"request ID ([a-z]+-\d{3})", response.content.decode())


def links(response) -> dict[str, str]:
    found = re.findall(r'href="([^"]+)" rel="(prev|next)"', response.content.decode())
    return {rel: href.replace("&amp;", "&") for href, rel in found}


def test_an_organization_in_which_nothing_has_happened_says_so(delegate, read):
    assert "No activity yet" in read(delegate.get(PAGE)).text


def test_the_latest_event_comes_first_with_who_what_and_from_where(delegate, world, read):
    client = world.api_client().client
    delegate.post(
        f"/organizations/A9994/credentials/{client.client_id}/addresses", {"address_1": "1.1.1.1"}, follow=True
    )

    text = read(delegate.get(PAGE)).text

    assert "IP allow list changed Before 8.8.8.8 After 1.1.1.1" in text
    assert text.rindex("IP allow list changed") < text.rindex("Client created")
    for words in ("delegate@harbor.example", "client ETL", "8.8.4.4"):
        assert words in text


def test_only_the_organizations_own_events_are_shown_and_exported(delegate, world):
    events(world, 2, name="ours")
    events(world, 2, name="theirs", organization=world.mesa)
    events(world, 1, name="nobodys", organization=None)

    assert shown(delegate.get(PAGE)) == ["ours-001", "ours-000"]
    for ending in ("csv", "ndjson"):
        exported = delegate.get(f"{PAGE}.{ending}").getvalue().decode()
        assert "ours-001" in exported
        assert "theirs" not in exported
        assert "nobodys" not in exported


# --- Pages ----------------------------------------------------------------------------------------------------------


def test_pages_lead_to_older_events_and_back_and_leave_none_out(delegate, world):
    events(world, 2 * paging.EVENTS_A_PAGE + 7)

    first = delegate.get(PAGE)
    second = delegate.get(links(first)["next"])
    third = delegate.get(links(second)["next"])
    back = delegate.get(links(third)["prev"])

    everything = [f"event-{number:03}" for number in reversed(range(107))]
    assert shown(first) + shown(second) + shown(third) == everything
    assert shown(back) == shown(second)
    assert shown(delegate.get(links(back)["prev"])) == shown(first)
    assert links(first).keys() == {"next"}
    assert links(third).keys() == {"prev"}


def test_events_of_one_moment_are_neither_left_out_nor_shown_twice(delegate, world):
    events(world, paging.EVENTS_A_PAGE + 10, step=dt.timedelta(0))

    first = delegate.get(PAGE)
    second = delegate.get(links(first)["next"])

    assert sorted(shown(first) + shown(second)) == [f"event-{number:03}" for number in range(60)]
    assert shown(delegate.get(links(second)["prev"])) == shown(first)


def test_what_happens_meanwhile_does_not_move_the_pages(delegate, world):
    events(world, paging.EVENTS_A_PAGE + 5)
    first = delegate.get(PAGE)

    events(world, 3, at=NOON + dt.timedelta(days=1), name="later")

    assert shown(delegate.get(links(first)["next"])) == [f"event-00{number}" for number in (4, 3, 2, 1, 0)]


def test_pages_keep_the_filter(delegate, world):
    events(world, paging.EVENTS_A_PAGE + 5, name="wanted", action=Action.EXPORT_STARTED)
    events(world, 20, name="other")

    first = delegate.get(PAGE, {"action": "export.started", "since": "2026-10-31"})
    second = delegate.get(links(first)["next"])

    assert set(shown(first) + shown(second)) == {f"wanted-{number:03}" for number in range(55)}


@pytest.mark.parametrize("place", ["x", "1", "1.2.3", "-1.5", "9" * 30, "1.99999999999999999999", "'; --"])
def test_a_place_that_is_none_is_the_first_page(delegate, world, place):
    events(world, 3)

    for way in ("before", "after"):
        assert len(shown(delegate.get(PAGE, {way: place}))) == 3


def test_the_page_asks_the_database_as_often_for_many_events_as_for_one(delegate, world):
    client = world.api_client().client
    with CaptureQueriesContext(connection) as for_few:
        delegate.get(PAGE)
    events(world, 40, user=world.delegate, client=client)

    with CaptureQueriesContext(connection) as for_many:
        delegate.get(PAGE)

    assert len(for_many) == len(for_few)


def test_neither_end_of_the_trail_is_sorted_or_counted(world, settings):
    """PostgreSQL walks along an index from the place on, whatever lies beyond: so the last page is as quick."""
    events(world, 3000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE credentials_auditevent")
    trail = AuditEvent.objects.for_organization(world.harbor).select_related("user").latest_first()

    with CaptureQueriesContext(connection) as asked:
        middle = paging.page_of(trail, before=paging._place(trail[1500]))
        paging.page_of(trail, after=middle.newer)

    plans = []
    for query in asked.captured_queries[1:]:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query['sql']}")
            [(plan,)] = cursor.fetchall()
            plans.append(plan[0]["Plan"])
    assert len(plans) == 2
    for plan in plans:
        assert "audit_of_organization" in json.dumps(plan)
        assert max(_rows_read(plan)) < 200


def _rows_read(plan) -> list[int]:
    read = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
    return [read, *(rows for inner in plan.get("Plans", []) for rows in _rows_read(inner))]


# --- Filters --------------------------------------------------------------------------------------------------------


@pytest.fixture
def trail(world):
    client = world.api_client().client
    day = dt.timedelta(days=1)
    events(world, 1, name="roster", action=Action.ROSTER_PUBLISHED, user=world.delegate)
    events(world, 1, name="token", at=NOON + day, client=client)
    events(
        world,
        1,
        name="refused",
        at=NOON + 2 * day,
        action=Action.TOKEN_REFUSED,
        client=client,
        outcome=AuditEvent.Outcome.DENIED,
    )
    events(world, 1, name="operator", at=NOON + 3 * day, action=Action.CLIENT_REVOKED, user=world.operator)
    return client


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"until": "2026-11-02"}, ["token-000", "roster-000"]),
        ({"since": "2026-11-03", "until": "2026-11-03"}, ["refused-000"]),
        ({"action": "roster.published"}, ["roster-000"]),
        ({"outcome": "denied"}, ["refused-000"]),
        ({"until": "2026-11-10", "outcome": "done", "action": "token.issued"}, ["token-000"]),
        ({"until": "9999-12-31", "action": "token.refused"}, ["refused-000"]),
    ],
)
def test_events_are_found_by_day_act_and_outcome(delegate, trail, asked, found):
    assert shown(delegate.get(PAGE, asked)) == found


def test_events_are_found_by_client_and_by_person(delegate, world, trail):
    of_client = delegate.get(PAGE, {"client": trail.client_id, "until": "2026-11-10"})
    of_person = delegate.get(PAGE, {"person": world.delegate.pk, "until": "2026-11-10"})
    of_operator = delegate.get(PAGE, {"person": world.operator.pk})

    assert shown(of_client) == ["refused-000", "token-000"]
    assert shown(of_person) == ["roster-000"]
    assert shown(of_operator) == ["operator-000"]


def test_neither_a_strangers_client_nor_a_stranger_can_be_asked_for(delegate, world, trail):
    foreign = world.api_client(world.mesa, addresses=["9.9.9.9"]).client

    for asked in ({"client": foreign.client_id}, {"person": world.stranger.pk}, {"person": "x"}, {"person": 10**12}):
        response = delegate.get(PAGE, asked)
        assert response.status_code == 400
        assert shown(response) == []
        assert "custodian@mesa.example" not in response.content.decode()


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"since": "yesterday"}, "id_since"),
        ({"since": "2026-11-05", "until": "2026-11-04"}, "id_until"),
        ({"since": "0001-01-01"}, "id_since"),
        ({"until": "1899-12-31"}, "id_until"),
        ({"action": "everything"}, "id_action"),
    ],
)
def test_a_filter_that_makes_no_sense_is_told_at_its_field_and_exports_nothing(delegate, trail, read, asked, field):
    for path in (PAGE, f"{PAGE}.csv", f"{PAGE}.ndjson"):
        response = delegate.get(path, asked)
        assert response.status_code == 400
        assert read(response).errors_of(field)
        assert "Content-Disposition" not in response


def test_when_nothing_fits_the_page_says_so(delegate, trail, read):
    text = read(delegate.get(PAGE, {"since": "2020-01-01", "until": "2020-01-02"})).text

    assert "No matching events" in text
    assert "Clear filters" in text


# --- Exports --------------------------------------------------------------------------------------------------------


def test_the_exports_hold_what_the_filter_lets_through_as_a_stream(delegate, world, trail):
    asked = {"until": "2026-11-10", "outcome": "done"}

    as_csv, as_ndjson = delegate.get(f"{PAGE}.csv", asked), delegate.get(f"{PAGE}.ndjson", asked)

    rows = list(csv.DictReader(io.StringIO(as_csv.getvalue().decode())))
    lines = [json.loads(line) for line in as_ndjson.getvalue().decode().splitlines()]
    expected = ["operator-000", "token-000", "roster-000"]
    assert [row["request_id"] for row in rows] == [line["request_id"] for line in lines] == expected
    for response, kind in ((as_csv, "csv"), (as_ndjson, "ndjson")):
        assert response.streaming
        assert re.search(rf'filename="A9994-activity-\d{{4}}-\d\d-\d\d\.{kind}"', response["Content-Disposition"])
        assert "no-store" in response["Cache-Control"]
        assert response["X-Content-Type-Options"] == "nosniff"


def test_a_name_that_a_spreadsheet_would_run_is_only_text(delegate, world):
    world.api_client(name='=HYPERLINK("http://evil.example","x")')

    rows = list(csv.DictReader(io.StringIO(delegate.get(f"{PAGE}.csv").getvalue().decode())))

    assert {row["client"] for row in rows} == {'\'=HYPERLINK("http://evil.example","x")'}


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

    secret = rotation.rotate_secret(client, overlap=Overlap.THREE_DAYS, by=world.delegate)

    facts = told(AuditEvent.objects.get(action=Action.SECRET_ROTATED))
    assert facts["Before"].startswith(f"…{old.hint} until ")
    assert facts["After"].count(" UTC") == 2
    assert facts["Secret"] == f"…{secret[-4:]}"
    assert facts["Overlap"] == "the old secret stays valid for 72 hours"


def test_of_a_changed_state_only_what_has_changed_is_told(world):
    state = organizations.OrganizationState(
        status=organizations.Status.LIMITED, termination_date=dt.date(2026, 10, 1), reason="Its participation ended."
    )

    organizations.set_state(world.harbor, state, by=world.operator)

    facts = told(AuditEvent.objects.get(action=Action.ORGANIZATION_STATE_CHANGED))
    assert facts == {
        "Before": "status: active",
        "After": "reason: Its participation ended.; status: limited; termination date: 2026-10-01",
    }


def test_a_change_of_addresses_is_told_by_both_lists(world):
    client = world.api_client().client

    allow_lists.set_addresses(client, ["1.1.1.1", "9.9.9.9"], by=world.delegate)

    facts = told(AuditEvent.objects.get(action=Action.ADDRESSES_CHANGED))
    assert facts == {"Before": "8.8.8.8", "After": "1.1.1.1, 9.9.9.9"}


def test_whatever_stands_in_an_event_can_be_told(world):
    event = audit.record(
        Action.TOKEN_REFUSED,
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
    audit.record(Action.CLIENT_CREATED, organization=world.harbor, name="<script>alert(1)</script>")

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
