"""An organization of another program than the usual ones, from its creation to claims on disk, with an exception."""

import datetime as dt

import pytest
from django.utils import timezone

from credentials.models import Organization
from tests.exports.store import arrival, load
from tests.journeys.test_export_over_http import Caller
from tests.world import KICK_OFF_HEADERS, World

pytestmark = pytest.mark.journey

MBI = "1S00A00AA01"
DAYS = {"too-old": dt.date(2021, 6, 30), "established": dt.date(2021, 7, 1), "new": dt.date(2022, 7, 1)}


def test_a_guide_organization_sees_claims_from_its_own_day_on(transactional_db, running_with, tmp_path):
    world, running = World(), running_with({})
    by = ["--by", world.operator.email]
    made_on = timezone.localdate() - dt.timedelta(days=2)
    roster = tmp_path / f"P.GUIDE.GUIDE-0001.Y{made_on:%y}.D{made_on:%y%m%d}.T1000000"
    roster.write_text(f"MBIs\n{MBI}\n")

    running.manage("create_organization", "GUIDE-0001", "--name", "Dementia Care", "--program", "GUIDE", *by)
    running.manage("load_roster", str(roster))
    load(
        {
            MBI: [
                arrival("ExplanationOfBenefit", name, service_date=day, billablePeriod={"end": day.isoformat()})
                for name, day in DAYS.items()
            ]
        }
    )
    api = world.api_client(Organization.objects.get(entity_id="GUIDE-0001"))
    caller = Caller(running.base_url, api.client.client_id, api.secret)
    caller.sign_in()
    as_the_program = caller.resources(caller.export())
    running.manage("set_organization_exceptions", "GUIDE-0001", "--claims-from", "2021-07-01", *by)
    as_established = caller.resources(caller.export())
    running.manage("set_organization_exceptions", "GUIDE-0001", "--api-versions", "3", *by)
    refused = caller.http.get("/api/v2/Group/all/$export", headers=KICK_OFF_HEADERS)

    assert {each["id"] for each in as_the_program} == {"new"}
    assert {each["id"] for each in as_established} == {"new", "established"}
    assert refused.status_code == 403
    assert "GUIDE-0001 can't use version 2" in refused.text
