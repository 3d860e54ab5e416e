"""Opt-outs over real HTTP, with a real worker: a preference file by command, exports and downloads before and after."""

import datetime as dt

import pytest
from django.utils import timezone

from tests.attribution.consent.files import NAME, line, text
from tests.exports.store import arrival, load, patient
from tests.journeys.test_export_over_http import Caller
from tests.world import World

pytestmark = pytest.mark.journey

LATER, LATEST = NAME.replace("D260115", "D260116"), NAME.replace("D260115", "D260117")
DAY = dt.timedelta(days=1)


@pytest.fixture
def world(transactional_db) -> World:
    it = World()
    it.people = it.beneficiaries(3)
    it.roster(it.harbor, it.people, published_at=timezone.now() - 30 * DAY)
    load({mbi: [patient(mbi), arrival("ExplanationOfBenefit", f"e-{mbi}")] for mbi in it.people})
    return it


def test_an_opt_out_ends_sharing_and_an_opt_in_brings_the_whole_history(world, running_with, tmp_path):
    running = running_with({"OPT_OUTS_CHECKED_AT_DOWNLOAD": "true"})
    api = world.api_client()
    caller = Caller(running.base_url, api.client.client_id, api.secret)
    caller.sign_in()
    out, today = world.people[1], timezone.localdate()

    def told(choice: str, effective: dt.date, name: str) -> None:
        path = tmp_path / name
        path.write_text(text(line(out, choice, effective)))
        assert "loaded: " in running.manage("load_preferences", str(path))

    def ids(manifest: dict) -> set[str]:
        return {each["id"] for each in caller.resources(manifest)}

    before = caller.export()
    assert len(ids(before)) == 6

    told("N", today - DAY, NAME)
    gone = [caller.http.get(entry["url"]) for entry in before["output"]]
    while_out = caller.export()

    assert {answer.status_code for answer in gone} == {410}
    assert "Start a new export." in gone[0].json()["issue"][0]["diagnostics"]
    assert out not in str(gone[0].json())
    assert ids(while_out) == ids_of(world.people[0], world.people[2])
    assert [entry["count"] for entry in while_out["output"]] == [2, 2]
    assert "deleted" not in while_out

    told("Y", today, LATER)
    since = while_out["transactionTime"].replace("+", "%2B")
    afterwards = caller.export(f"/api/v2/Group/all/$export?_since={since}")

    assert ids(afterwards) == ids_of(out)
    told("N", today + DAY, LATEST)
    assert len(ids(caller.export())) == 6


def ids_of(*mbis: str) -> set[str]:
    return {f"{kind}-{mbi}" for kind in "pe" for mbi in mbis}
