"""A wrong roster is published, exported, and rolled back, over real HTTP and with a real worker."""

import json

import pytest

from exports.models import Job
from tests.attribution.archives import MBIS, archive
from tests.exports.store import load, patient
from tests.journeys.person import Person
from tests.journeys.test_export_over_http import Caller
from tests.world import World

pytestmark = pytest.mark.journey

ATTRIBUTION = "/organizations/A9994/attribution"
GOOD, WRONG = "P.BCD.A9994.ZCY26.D261001.T1000000", "P.BCD.A9994.ZCY26.D261101.T1000000"


def publish(delegate: Person, name: str, mbis: tuple[str, ...]) -> str:
    """Upload a roster, look at its preview and publish it; its page."""
    page = delegate.upload(f"{ATTRIBUTION}/new", name, archive(name, mbis).getvalue()).headers["Location"]
    assert "Nothing is published yet." in delegate.get(page).text
    assert delegate.press(page, "publish").headers["Location"] == page
    assert "Roster published" in delegate.get(page).text
    return page


def test_a_plain_client_ends_with_what_a_full_export_holds(running, transactional_db):
    world = World()
    delegate = Person(running.base_url).signed_in_as(world.delegate)
    publish(delegate, GOOD, MBIS[:3])
    api = world.api_client()
    caller = Caller(running.base_url, api.client.client_id, api.secret)
    caller.sign_in()
    held: dict[str, dict] = {}

    def export(since: str = "") -> dict:
        manifest = caller.export("/api/v2/Group/all/$export?_type=Patient" + (f"&_since={since}" if since else ""))
        held.update({f"Patient/{each['id']}": each for each in caller.resources(manifest)})
        for file in manifest.get("deleted", []):
            for line in caller.http.get(file["url"], headers={"Accept-Encoding": "gzip"}).text.splitlines():
                for entry in json.loads(line)["entry"]:
                    held.pop(entry["request"]["url"], None)
        return manifest

    load({mbi: [patient(mbi)] for mbi in MBIS[:3]})
    first = export()
    wrong = publish(delegate, WRONG, MBIS[2:5])
    load({mbi: [patient(mbi, note="newer")] for mbi in MBIS[:5]})
    second = export(first["transactionTime"])

    page = delegate.send(f"{wrong}/rollback", reason="Another month.").headers["Location"]
    gone = caller.http.get(second["output"][0]["url"])
    third = export(second["transactionTime"])

    assert "Roster rolled back" in delegate.get(page).text
    assert gone.status_code == 410
    assert "its roster was rolled back" in gone.json()["issue"][0]["diagnostics"]
    assert sum(file["count"] for file in third["deleted"]) == 2
    assert sorted(held) == [f"Patient/p-{mbi}" for mbi in MBIS[:3]]
    assert {each["note"] for each in held.values()} == {"newer"}
    assert Job.objects.get(pk=second["JobID"]).withdrawn_at is not None
