"""How many opted out is on the page of rosters, if there are enough of them; who they are is on no page."""

import pytest
from django.utils import timezone

from attribution.models import RosterFile
from tests.attribution.consent.files import line, load

ATTRIBUTION = "/organizations/A9994/attribution"
PAGES = ["", "/attribution", "/exports", "/exports/new"]


@pytest.fixture
def mbis(world) -> list[str]:
    found = world.beneficiaries(15)
    world.roster(world.harbor, found)
    return found


@pytest.mark.parametrize(
    ("count", "said"), [(0, "fewer than 11"), (1, "fewer than 11"), (10, "fewer than 11"), (11, "11")]
)
def test_a_small_number_is_not_said(delegate, mbis, read, count, said):
    load(*[line(mbi, "N", timezone.localdate()) for mbi in mbis[:count]])

    page = read(delegate.get(ATTRIBUTION)).text

    assert f"beneficiaries on this roster who opted out of data sharing ({said}). Exports leave them out." in page
    assert f"Beneficiaries {15 - count}" in page


def test_the_pages_count_what_an_export_would_deliver_and_name_nobody(delegate, mbis, read):
    load(*[line(mbi, "N", timezone.localdate()) for mbi in mbis[:12]])

    for path in PAGES:
        response = delegate.get(f"/organizations/A9994{path}")
        assert response.status_code == 200, path
        assert not any(mbi in response.content.decode() for mbi in mbis), path
    assert "3 attributed beneficiaries" in read(delegate.get("/organizations/A9994/exports/new")).text
    assert "3 attributed beneficiaries" in read(delegate.get("/organizations/A9994")).text


def test_nothing_is_said_without_a_roster(delegate, read):
    assert not RosterFile.objects.exists()

    assert "opted out" not in read(delegate.get(ATTRIBUTION)).text
