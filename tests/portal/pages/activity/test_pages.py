"""What has happened in an organization, as its people read it, page by page."""

import datetime as dt
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credentials.models import AuditEvent
from credentials.trail.audit import Action
from portal.pages.activity import paging
from tests.portal.pages.activity.page import NOON, PAGE, events, links, shown


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
