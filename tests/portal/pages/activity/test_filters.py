"""What is sought in the activity, and taken along."""

import csv
import io
import json
import re

import pytest

from tests.portal.pages.activity.page import PAGE, shown

# --- Filters --------------------------------------------------------------------------------------------------------


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
