import csv
import datetime as dt
import io
import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from credentials.actor import Actor
from credentials.clients import revocation
from credentials.models import AuditEvent, Client
from credentials.trail import activity, audit
from credentials.trail.activity import Filter
from credentials.trail.audit import Action

NOON = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def trail(world) -> list[AuditEvent]:
    """An event each hour from noon on, by the delegate, a colleague, and the client."""
    client = Client.objects.create(organization=world.harbor, name="ETL")
    facts = [
        (Action.CLIENT_CREATED, {"user": world.delegate, "client": client}),
        (Action.ADDRESSES_CHANGED, {"user": world.colleague, "client": client, "before": ["8.8.8.8"], "after": []}),
        (Action.TOKEN_REFUSED, {"client": client, "reason": "invalid_client"}),
        (Action.EXPORT_STARTED, {"user": world.delegate, "job": 7}),
    ]
    made = []
    for hour, (action, rest) in enumerate(facts):
        event = audit.record(action, Actor(user=rest.pop("user", None)), organization=world.harbor, **rest)
        made.append(
            AuditEvent(
                occurred_at=NOON + hour * HOUR, action=event.action, outcome=event.outcome, detail=event.detail,
                organization=world.harbor, user=event.user, client=event.client, request_id=f"request-{hour}",
            )
        )  # fmt: skip
    audit.record(Action.CLIENT_CREATED, Actor(user=world.stranger), organization=world.mesa)
    return AuditEvent.objects.bulk_create(made)


def found(world, **wanted) -> list[str]:
    since = {"since": NOON - HOUR, "until": NOON + 24 * HOUR}
    return [
        event.request_id
        for event in Filter(**{**since, **wanted}).of(AuditEvent.objects.for_organization(world.harbor))
    ]


def test_events_come_the_latest_first_and_only_those_of_the_organization(world, trail):
    assert found(world) == ["request-3", "request-2", "request-1", "request-0"]


def test_events_are_found_by_time_act_outcome_client_and_person(world, trail):
    assert found(world, since=NOON + HOUR, until=NOON + 3 * HOUR) == ["request-2", "request-1"]
    assert found(world, actions=[Action.EXPORT_STARTED, Action.CLIENT_CREATED]) == ["request-3", "request-0"]
    assert found(world, outcome=AuditEvent.Outcome.DENIED) == ["request-2"]
    assert found(world, client=Client.objects.get()) == ["request-2", "request-1", "request-0"]
    assert found(world, person=world.colleague) == ["request-1"]
    assert found(world, person=world.delegate, outcome=AuditEvent.Outcome.DENIED) == []


def test_csv_has_all_that_is_known_of_an_event(world, trail):
    events = Filter(until=NOON + 24 * HOUR).of(AuditEvent.objects.for_organization(world.harbor))

    rows = list(csv.DictReader(io.StringIO("".join(activity.csv_lines(events)))))

    assert len(rows) == 4
    assert rows[2] == {
        "occurred_at": "2026-11-01T13:00:00.000Z", "action": "addresses.changed", "outcome": "done",
        "organization": "A9994", "person": "colleague@harbor.example", "client": "ETL",
        "client_id": trail[1].client.client_id, "address": "", "request_id": "request-1",
        "before": '["8.8.8.8"]', "after": "[]", "detail": "",
    }  # fmt: skip
    assert (rows[1]["outcome"], rows[1]["person"], rows[1]["detail"]) == ("denied", "", '{"reason": "invalid_client"}')


@pytest.mark.parametrize(
    "start",
    [
        *("=", "+", "-", "@", "\t", "\r", "\n", "|", "%"),
        *("\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH PLUS SIGN}", "\N{FULLWIDTH HYPHEN-MINUS}"),
        *("\N{FULLWIDTH COMMERCIAL AT}", "\N{FULLWIDTH PERCENT SIGN}", "\N{FULLWIDTH VERTICAL LINE}"),
        *("\N{SMALL EQUALS SIGN}", "\N{SUPERSCRIPT PLUS SIGN}", "\N{MINUS SIGN}"),
        *(" =", "\N{NO-BREAK SPACE}+", "\N{IDEOGRAPHIC SPACE}\N{FULLWIDTH EQUALS SIGN}", "\N{ZERO WIDTH SPACE}@"),
        *("\N{ZERO WIDTH NO-BREAK SPACE}=", "\N{RIGHT-TO-LEFT OVERRIDE}=", "\x01=", "\v="),
    ],
)
def test_no_cell_is_a_formula(world, start):
    name = f"{start}HYPERLINK(A1)"
    client = Client.objects.create(organization=world.harbor, name=name)
    audit.record(Action.CLIENT_CREATED, Actor(), organization=world.harbor, client=client)

    lines = activity.csv_lines(Filter().of(AuditEvent.objects.all()))

    (row,) = csv.DictReader(io.StringIO("".join(lines), newline=""))
    assert row["client"] == f"'{name}"


@pytest.mark.parametrize("name", ["ETL", "a=1", " ETL", "'=1", "\N{FULLWIDTH LATIN CAPITAL LETTER A}", "5 = 5"])
def test_other_cells_stand_as_they_are(world, name):
    client = Client.objects.create(organization=world.harbor, name=name)
    audit.record(Action.CLIENT_CREATED, Actor(), organization=world.harbor, client=client)

    lines = activity.csv_lines(Filter().of(AuditEvent.objects.all()))

    (row,) = csv.DictReader(io.StringIO("".join(lines), newline=""))
    assert row["client"] == name


def test_a_request_id_that_a_client_chose_is_no_formula_either(world):
    api = world.api_client()
    api.ask_for_token(**{"X-Request-Id": "-1234567"})

    lines = activity.csv_lines(Filter(actions=[Action.TOKEN_ISSUED]).of(AuditEvent.objects.all()))

    (row,) = csv.DictReader(io.StringIO("".join(lines)))
    assert row["request_id"] == "'-1234567"


def test_ndjson_has_one_event_a_line(world, trail):
    events = Filter(until=NOON + 24 * HOUR).of(AuditEvent.objects.for_organization(world.harbor))

    lines = list(activity.ndjson_lines(events))

    assert all(line.endswith("\n") for line in lines)
    told = [json.loads(line) for line in lines]
    assert [each["request_id"] for each in told] == found(world)
    assert (told[2]["before"], told[2]["after"], told[2]["detail"]) == (["8.8.8.8"], [], {})
    assert list(told[0]) == list(activity.COLUMNS)


def test_names_and_addresses_come_with_the_events_in_one_query(world, trail):
    world.api_client(name="Vendor")
    revocation.revoke_everything(world.harbor, by=Actor(user=world.delegate), reason="Trial")

    with CaptureQueriesContext(connection) as captured:
        lines = list(activity.ndjson_lines(Filter().of(AuditEvent.objects.for_organization(world.harbor))))

    assert len(lines) > 8
    assert len(captured) <= 1


def test_nothing_is_asked_for_before_the_first_line_is_wanted(world, trail):
    with CaptureQueriesContext(connection) as captured:
        lines = activity.csv_lines(Filter().of(AuditEvent.objects.all()))
        assert next(lines).startswith("occurred_at,")

    assert len(captured) == 0
