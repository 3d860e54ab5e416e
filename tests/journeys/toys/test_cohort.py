"""A cohort rule of an app in EXTRA_APPS: started over HTTP and in the portal, written by a worker."""

import datetime as dt
import html
import re

import pytest
from django.utils import timezone

from exports.models import Job
from tests.exports.store import load, patient
from tests.journeys.person import Person
from tests.journeys.test_export_over_http import Caller
from tests.world import KICK_OFF_HEADERS, World

pytestmark = pytest.mark.journey

TOYS = {"EXTRA_APPS": "tests.toys.apps.ToysConfig"}


@pytest.fixture
def world(transactional_db) -> World:
    """Two beneficiaries stay, one leaves, and one joins; all four have something in the store."""
    it = World()
    people = it.beneficiaries(4)
    it.roster(it.harbor, people[:3], published_at=timezone.now() - dt.timedelta(days=30))
    it.roster(it.harbor, people[1:])
    load({mbi: [patient(mbi)] for mbi in people})
    it.joined = people[3]
    return it


def test_group_joined_is_those_who_joined_and_nobody_else(world, running_with):
    running = running_with(TOYS)
    api = world.api_client()
    caller = Caller(running.base_url, api.client.client_id, api.secret)
    caller.sign_in()

    joined = caller.resources(caller.export("/api/v2/Group/joined/$export"))
    everyone = caller.resources(caller.export("/api/v2/Group/all/$export"))
    unknown = caller.http.get("/api/v2/Group/left/$export", headers=KICK_OFF_HEADERS)

    assert [each["id"] for each in joined] == [f"p-{world.joined}"]
    assert len(everyone) == 3
    assert unknown.status_code == 400
    job = Job.objects.get(cohort_rule="joined")
    assert (job.endpoint, job.cohort.count()) == ("Group/joined", 1)


def test_the_portal_offers_it_and_says_how_many_it_is(world, running_with):
    running = running_with(TOYS)
    delegate = Person(running.base_url).signed_in_as(world.delegate)
    start = "/organizations/A9994/exports/new"

    form = delegate.get(start).text
    started = delegate.send(start, scope="group_joined", resource_types="Patient")
    page = html.unescape(delegate.get(started.headers["Location"]).text)

    assert "Group/joined: new beneficiaries only" in form
    assert re.search(r"Group/joined, roster of .*\(1 attributed beneficiary\)", page)
    assert "/api/v2/Group/joined/$export?_type=Patient" in page
