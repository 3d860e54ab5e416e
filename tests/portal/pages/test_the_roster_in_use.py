"""Wherever a roster is named or counted, it is the one that exports use; for a limited organization, an older one."""

import datetime as dt
import re

import pytest
from django.test import Client as Browser

from attribution.models import RosterFile
from credentials.models import Organization
from exports.models import Job
from exports.pipeline import write
from tests.exports.store import load, patient, run, start
from tests.portal.pages.test_scoping import PAGES
from tests.world import KICK_OFF_HEADERS, sign_in

HARBOR = "/organizations/A9994"
ENDED = dt.date(2026, 3, 31)
USED = dt.datetime(2026, 3, 1, 10, 0, tzinfo=dt.UTC)
NEWEST = dt.datetime(2026, 8, 19, 0, 1, tzinfo=dt.UTC)
# The history of rosters, and the newest roster's own page, are about it.
HISTORY = "All rosters"
NO_TEXT = {"audit-csv", "audit-ndjson", "roster-problems"}


@pytest.fixture
def limited(world, monkeypatch) -> Organization:
    """An organization whose export has 3 beneficiaries; its newest roster has 3 others and 61 in all."""
    monkeypatch.setattr(write, "HEARTBEAT_SECONDS", 3600)  # it writes in the test's transaction
    people = world.beneficiaries(61)
    world.roster(world.harbor, people[:3], published_at=USED)
    world.roster(world.harbor, people, published_at=NEWEST)
    load({mbi: [patient(mbi)] for mbi in people})
    Organization.objects.filter(pk=world.harbor.pk).update(status="limited", termination_date=ENDED)
    world.harbor.refresh_from_db()
    return world.harbor


def says_the_newest(text: str) -> list[str]:
    """What a text says that is true of the newest roster alone."""
    newest = RosterFile.objects.get(file_timestamp=NEWEST)
    said = [newest.file_name, "Aug 19, 2026", "Aug. 19, 2026", "61 attributed", "Beneficiaries 61"]
    found = [each for each in said if each in text]
    found += re.findall(r"[Nn]ewest roster(?! that CMS created on or before)", text)
    return found + re.findall(r"[Cc]urrent roster", text)


@pytest.mark.parametrize("name", sorted(PAGES.keys() - NO_TEXT))
def test_no_page_of_a_limited_organization_speaks_of_the_newest_roster_as_if_it_were_used(
    delegate, world, limited, read, name
):
    job = run(start(limited))
    refused = RosterFile.objects.create(
        organization=limited,
        kind="current",
        status="refused",
        file_name="damaged",
        performance_year=2026,
        file_timestamp=NEWEST - dt.timedelta(days=9),
    )
    known = {"roster": refused.pk, "job": job.pk, "client": "-", "secret": 1, "key": 1, "member": 1, "invitation": 1}

    page = delegate.get(HARBOR + PAGES[name].format(**known))

    assert says_the_newest(read(page).text.split(HISTORY)[0]) == []
    if name in {"overview", "rosters", "export-start", "export", "roster"}:
        assert "Mar 1, 2026" in read(page).text


def test_the_page_of_a_roster_says_whether_exports_use_it(delegate, world, limited, read):
    pages = {
        roster.file_timestamp: read(delegate.get(f"{HARBOR}/attribution/{roster.pk}")).text
        for roster in RosterFile.objects.all()
    }

    assert "Exports don’t use this roster. They use the roster of Mar 1, 2026." in pages[NEWEST]
    assert "Exports don’t use" not in pages[USED]


def test_pages_and_files_of_an_export_count_the_same(delegate, world, limited, read):
    job = run(start(limited, resource_types=["Patient"]))

    started, page = (read(delegate.get(f"{HARBOR}/exports/{which}")).text for which in ("new", job.pk))

    assert "Roster of Mar 1, 2026: 3 attributed beneficiaries." in started
    assert "Patient, roster of Mar 1, 2026 (3 attributed beneficiaries)" in page
    assert sum(job.files.values_list("resource_count", flat=True)) == 3


def test_the_api_and_the_administration_name_what_the_job_uses(world, limited, read):
    api = world.api_client().sign_in()
    location = api.get("/api/v2/Group/all/$export", **KICK_OFF_HEADERS)["Content-Location"]
    job = run(Job.objects.get(pk=location.rpartition("/")[2]))
    operator = sign_in(Browser(), world.operator)

    manifest = api.get(f"/api/v2/jobs/{job.pk}").json()
    pages = [operator.get(f"/admin/exports/job/{where}") for where in ("", f"{job.pk}/change/")]

    assert sum(entry["count"] for entry in manifest["output"]) == 3
    for page in pages:
        assert says_the_newest(read(page).text) == []


def test_whoever_is_newly_attributed_is_told_by_the_rosters_that_may_be_used(world, limited):
    """A roster from after the end came before the one in use arrived: it does not make anybody an old acquaintance."""
    RosterFile.objects.filter(file_timestamp=USED).update(published_at=NEWEST + dt.timedelta(days=2))

    job = start(limited, scope=Job.Scope.GROUP_ALL, since=NEWEST + dt.timedelta(days=1))

    assert (job.has_newly_attributed, job.earlier_roster) == (True, None)
