import pytest
from django.contrib.auth.models import Permission
from django.test import Client as Browser

from attribution import loading
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


# --- Deciding -------------------------------------------------------------------------------------------------------


def act(browser: Browser, action: str, *rosters: RosterFile, **fields: str) -> str:
    sent = {"action": action, "_selected_action": [each.pk for each in rosters], **fields}
    answer = browser.post("/admin/attribution/rosterfile/", sent, secure=True, follow=True)
    return answer.content.decode()


def test_an_operator_approves_where_there_is_no_other_team_member(world: World, operator: Browser) -> None:
    october = "P.BCD.A9994.ZCY26.D261001.T1000000"
    load_roster(archive(october, MBIS[:15]), file_name=october, by=Actor())
    roster = loading.preview_roster(archive(NAME, MBIS[:3]), file_name=NAME, by=Actor(user=world.delegate))
    too_early = act(operator, "approve", roster)
    loading.ask_for_approval(roster, reason="Two practices left.", by=Actor(user=world.delegate))

    approved = act(operator, "approve", roster)

    assert "Nobody has asked for approval" in too_early
    assert f"{NAME} was published" in approved
    roster.refresh_from_db()
    assert (roster.status, roster.published_by) == (RosterFile.Status.PUBLISHED, world.operator)


def test_an_operator_discards_a_preview(world: World, operator: Browser) -> None:
    roster = loading.preview_roster(archive(), file_name=NAME, by=Actor())

    assert f"{NAME} was discarded" in act(operator, "discard", roster)
    assert "already discarded" in act(operator, "discard", roster)


def test_an_operator_rolls_back_with_a_reason(world: World, operator: Browser) -> None:
    roster = load_roster(archive(), file_name=NAME, by=Actor())

    question = act(operator, "roll_back", roster)
    without_reason = act(operator, "roll_back", roster, reason=" ")
    done = act(operator, "roll_back", roster, reason="It was the wrong file.")

    assert "Roll back 1 roster?" in question
    assert "Roll back 1 roster?" in without_reason
    assert f"{NAME} was rolled back. In force now: none." in done
    roster.refresh_from_db()
    assert (roster.rolled_back_by, roster.rollback_reason) == (world.operator, "It was the wrong file.")


@pytest.mark.parametrize("action", ["approve", "discard", "roll_back"])
def test_who_can_only_look_decides_nothing(world: World, client: Browser, action: str) -> None:
    roster = load_roster(archive(), file_name=NAME, by=Actor())
    world.colleague.is_staff = True
    world.colleague.save()
    world.colleague.user_permissions.add(Permission.objects.get(codename="view_rosterfile"))
    client.force_login(world.colleague)

    act(client, action, roster, reason="Mine.")

    assert RosterFile.objects.get().status == RosterFile.Status.PUBLISHED
