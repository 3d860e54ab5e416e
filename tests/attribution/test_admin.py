import pytest
from django.test import Client as Browser

from attribution.loading import load_roster
from attribution.models import Mbi, RosterFile
from credentials.actor import Actor
from tests.attribution.archives import MBIS, NAME, archive
from tests.world import World


@pytest.fixture
def operator(world: World, client: Browser) -> Browser:
    client.force_login(world.operator)
    return client


def page(browser: Browser, path: str, status: int = 200, **query: str) -> str:
    response = browser.get(f"/admin/attribution/{path}", query, secure=True)
    assert response.status_code == status
    return response.content.decode()


def test_an_operator_reads_why_a_roster_was_refused(world: World, operator: Browser) -> None:
    roster = load_roster(archive(NAME, [MBIS[0], "1<b>0A00AA00"[:11]]), file_name=NAME, by=Actor())

    shown = page(operator, f"rosterfile/{roster.pk}/change/")

    assert (
        f"{NAME.replace('ZCY', 'ZC8Y')}:2:2: Character 2 of an MBI must be a capital letter. Here it is not." in shown
    )
    assert NAME in page(operator, "rosterfile/", status__exact="refused")
    assert NAME not in page(operator, "rosterfile/", status__exact="published", q="A9994")


def test_an_operator_reads_what_is_unusual_about_a_roster(world: World, operator: Browser) -> None:
    roster = load_roster(archive(NAME, [*MBIS[:2], MBIS[0]]), file_name=NAME, by=Actor())

    shown = page(operator, f"rosterfile/{roster.pk}/change/")

    assert f"{NAME.replace('ZCY', 'ZC8Y')}:3: 1 beneficiary is on more than one line" in shown


def test_rosters_and_people_can_only_be_looked_at(world: World, operator: Browser) -> None:
    roster = load_roster(archive(), file_name=NAME, by=Actor())
    person = Mbi.objects.get(value=MBIS[0]).beneficiary

    for path in (
        "rosterfile/add/",
        f"rosterfile/{roster.pk}/delete/",
        "beneficiary/add/",
        f"beneficiary/{person.pk}/delete/",
    ):
        page(operator, path, status=403)
    operator.post(f"/admin/attribution/rosterfile/{roster.pk}/change/", {"status": "refused"}, secure=True)

    assert RosterFile.objects.get().status == RosterFile.Status.PUBLISHED


def test_a_beneficiary_is_found_by_the_whole_mbi_only(world: World, operator: Browser) -> None:
    load_roster(archive(NAME, MBIS[:3]), file_name=NAME, by=Actor())
    person = Mbi.objects.get(value=MBIS[1]).beneficiary

    found = page(operator, "beneficiary/", q=f" {MBIS[1].lower()} ")

    assert f"beneficiary/{person.pk}/change/" in found
    assert found.count("/change/?") + found.count('/change/"') == 1
    for query in ({}, {"q": MBIS[1][:10]}, {"q": "1S00"}):
        assert "/change/" not in page(operator, "beneficiary/", **query)


def test_the_page_of_a_beneficiary_shows_the_mbis_and_the_rosters(world: World, operator: Browser) -> None:
    load_roster(archive(), file_name=NAME, by=Actor())
    person = Mbi.objects.get(value=MBIS[0]).beneficiary

    shown = page(operator, f"beneficiary/{person.pk}/change/")

    assert MBIS[0] in shown
    assert NAME in shown
    assert MBIS[1] not in shown


def test_a_member_of_an_organization_sees_none_of_it(world: World, client: Browser) -> None:
    client.force_login(world.delegate)

    page(client, "rosterfile/", status=302)
    page(client, "beneficiary/", status=302)
