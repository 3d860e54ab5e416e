"""Group/runout, from two archives of CMS to files: loaded by the command, started over HTTP and in the portal."""

import datetime as dt

import httpx
import pytest
from django.utils import timezone

from exports.models import Job
from tests.attribution import archives
from tests.exports.store import arrival, load, patient
from tests.journeys.person import Person
from tests.journeys.test_export_over_http import Caller
from tests.world import KICK_OFF_HEADERS, World

pytestmark = pytest.mark.journey

AS_BCDA = {"ROSTER_YEARS": "*=strict", "ROSTER_DAYS": "50", "RUNOUT_DAYS": "180"}
LEFT, STAYED, JOINED = archives.MBIS[:3]
RUNOUT = "/api/v2/Group/runout/$export"


@pytest.fixture
def caller(transactional_db, running_with) -> Caller:
    it = World()
    api = it.api_client()
    running = running_with(AS_BCDA)
    found = Caller(running.base_url, api.client.client_id, api.secret)
    found.running, found.world = running, it
    found.sign_in()
    return found


def name(kind: str, year: int, age_in_days: int) -> str:
    made_on = timezone.localdate() - dt.timedelta(days=age_in_days)
    return f"P.BCD.A9994.ZC{kind}{year % 100:02}.D{made_on:%y%m%d}.T0000010"


def load_archive(caller: Caller, file_name: str, *mbis: str) -> None:
    path = caller.running.folder / file_name
    path.write_bytes(archives.archive(file_name, mbis).getvalue())
    caller.running.manage("load_roster", str(path))


def claims(mbi: str) -> list:
    year = timezone.localdate().year
    days = {"before": dt.date(year - 1, 12, 31), "after": dt.date(year, 1, 1)}
    return [
        patient(mbi),
        *(
            arrival(
                "ExplanationOfBenefit", f"{when}-{mbi}", service_date=day,
                billablePeriod={"start": day.isoformat(), "end": day.isoformat()},
            )
            for when, day in days.items()
        ),
    ]  # fmt: skip


def kick_off(caller: Caller, path: str = RUNOUT) -> httpx.Response:
    return caller.http.get(path, headers=KICK_OFF_HEADERS)


def test_those_who_left_are_exported_with_last_years_claims(caller):
    year = timezone.localdate().year
    assert kick_off(caller).status_code == 404
    load_archive(caller, name("R", year - 1, 170), LEFT, STAYED)
    load({mbi: claims(mbi) for mbi in (LEFT, STAYED)})

    before_the_new_roster = caller.resources(caller.export(RUNOUT))
    load_archive(caller, name("Y", year, 3), STAYED, JOINED)
    load({JOINED: claims(JOINED)})
    after_it = caller.resources(caller.export(RUNOUT))
    current = caller.resources(caller.export())

    assert {each["id"] for each in before_the_new_roster} == {
        f"{what}-{mbi}" for what in ("p", "before") for mbi in (LEFT, STAYED)
    }
    assert [each["id"] for each in after_it] == [f"p-{LEFT}", f"before-{LEFT}"]
    assert {each["id"] for each in current} == {
        f"{what}-{mbi}" for what in ("p", "before", "after") for mbi in (STAYED, JOINED)
    }


@pytest.mark.parametrize(
    ("kind", "years_ago", "age_in_days"), [("R", 1, 181), ("R", 2, 10), ("Y", 0, 51), ("Y", 1, 10)]
)
def test_a_roster_that_is_too_old_or_of_another_year_is_answered_with_404(caller, kind, years_ago, age_in_days):
    load_archive(caller, name(kind, timezone.localdate().year - years_ago, age_in_days), LEFT)
    load({LEFT: claims(LEFT)})

    answer = kick_off(caller, RUNOUT if kind == "R" else "/api/v2/Group/all/$export")

    assert (answer.status_code, answer.json()["resourceType"]) == (404, "OperationOutcome")
    assert not Job.objects.exists()


def test_the_portal_offers_the_group_that_there_is_a_roster_for(caller):
    load_archive(caller, name("R", timezone.localdate().year - 1, 10), LEFT)
    load({LEFT: claims(LEFT)})
    delegate = Person(caller.running.base_url).signed_in_as(caller.world.delegate)
    start = "/organizations/A9994/exports/new"

    form = delegate.get(start).text
    started = delegate.send(start, scope="group_runout", resource_types="Patient")
    page = delegate.get(started.headers["Location"]).text

    assert "Group/runout: last year" in form
    assert "Group/all" not in form.partition("<form")[2].partition("</fieldset>")[0].replace("Group/all and", "")
    assert "1 beneficiary" in form
    assert "/api/v2/Group/runout/$export?_type=Patient" in page
