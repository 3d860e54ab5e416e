"""A delegate invites a person, who joins, and later removes the person again: in a real browser, by a real mail."""

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from credentials.models import Client, Membership
from tests.authenticators import code
from tests.journeys.browser.visitor import Visitor, give_app
from tests.ports import free_port
from tests.world import World

pytestmark = [pytest.mark.journey, pytest.mark.debian]

NEW = "nora@harbor.example"
LINK = re.compile(r"^http://localhost:\d+(/invitation\?link=\S+)$", re.MULTILINE)
NEW_PASSWORD = "three small boats at dawn"


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def mailed_link(folder: Path, number: int) -> str:
    """The path in the mail of this number that the worker has sent; a file each."""
    until = time.monotonic() + 60
    while (
        len(links := [link for path in sorted(folder.glob("*.log")) for link in LINK.findall(path.read_text())])
        < number
    ):
        assert time.monotonic() < until, "no mail came within a minute"
        time.sleep(0.2)
    return str(links[number - 1])


@pytest.fixture
def mails(tmp_path) -> Path:
    folder = tmp_path / "mails"
    folder.mkdir()
    return folder


@pytest.fixture
def running(running_with, mails):
    """Claimsgate, whose mails are put into a folder."""
    return running_with({"PUBLIC_URL": f"http://localhost:{free_port()}", "EMAIL_URL": f"filemail:///{mails}"})


def invite_nora(visitor: Visitor, mails: Path) -> tuple[str, str]:
    """The link that was sent first, and the one that took its place."""
    page = visitor.page
    page.get_by_role("link", name="Team").click()
    heading(page, "Team")
    expect(page.get_by_text("There are no open invitations.")).to_be_visible()
    visitor.look("a team without invitations")
    page.get_by_role("link", name="Invite team member").click()
    visitor.look("inviting")
    page.get_by_label("Email address").fill("colleague@harbor.example")
    page.get_by_role("button", name="Send invitation").click()
    expect(page.get_by_role("alert")).to_contain_text("is already a team member of Harbor Care Alliance.")
    visitor.look("inviting a member")
    page.get_by_label("Email address").fill(NEW)
    page.get_by_label("Name (optional)").fill("Nora New")
    page.get_by_role("button", name="Send invitation").click()
    expect(page.get_by_text(f"We’re sending an invitation to {NEW}.")).to_be_visible()
    visitor.look("a team with an invitation")
    former = mailed_link(mails, 1)
    page.get_by_role("link", name=f"Send again to {NEW}").click()
    visitor.look("sending again")
    page.get_by_role("button", name="Send invitation again").click()
    link = mailed_link(mails, 2)
    page.get_by_role("link", name=f"Withdraw the invitation to {NEW}").click()
    visitor.look("withdrawing")
    page.get_by_role("link", name="Keep this invitation").click()
    return former, link


def join_as_nora(visitor: Visitor, former: str, link: str) -> None:
    page = visitor.page
    page.goto(former)
    heading(page, "This link is no longer valid")
    visitor.look("a link that opens nothing")
    page.goto(link)
    heading(page, "Join Harbor Care Alliance")
    assert "link=" not in page.url
    visitor.look("an invitation")
    page.get_by_label("Password", exact=True).fill("short")
    page.get_by_role("button", name="Create account and join").click()
    expect(page.get_by_role("alert")).to_contain_text("To join, check this box.")
    visitor.look("an invitation with mistakes")
    page.get_by_label("Password", exact=True).fill(NEW_PASSWORD)
    # The box itself is drawn by its label.
    page.get_by_text("I’m responsible for the claims data").click()
    page.get_by_role("button", name="Create account and join").click()
    expect(page.get_by_text("Your account was created, and you joined Harbor Care Alliance.")).to_be_visible()
    page.get_by_label("Email address").fill(NEW)
    page.get_by_label("Password", exact=True).fill(NEW_PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    heading(page, "Set up two-factor authentication")
    page.get_by_role("link", name="Set up an authenticator app").click()
    page.get_by_label("Code").fill(code(page.locator("#secret").inner_text()))
    page.get_by_role("button", name="Set up authenticator app").click()
    page.get_by_role("link", name="I’ve saved the codes: continue").click()
    heading(page, "Harbor Care Alliance")


def remove_nora(visitor: Visitor, world: World) -> None:
    """With a client that she has made."""
    page = visitor.page
    member = Membership.objects.get(user__email=NEW)
    client = world.api_client(name="Vendor").client
    Client.objects.filter(pk=client.pk).update(created_by=member.user)
    page.reload()
    visitor.look("a team of three")
    page.get_by_role("link", name="Remove Nora New").click()
    heading(page, "Remove Nora New?")
    expect(page.get_by_role("link", name="Vendor")).to_be_visible()
    visitor.look("removing a member who has made a client")
    page.get_by_text("Revoke them").click()
    page.get_by_role("button", name="Remove Nora New").click()
    expect(page.get_by_text("Nora New is no longer a team member of Harbor Care Alliance.")).to_be_visible()
    client.refresh_from_db()
    assert client.revoked_at is not None


def test_a_person_is_invited_joins_and_is_removed(running, chromium, mails):
    world = World()
    secret = give_app(world.delegate)
    inside, outside = (Visitor(chromium, running.base_url) for _ in range(2))

    inside.sign_in(world.delegate.email, secret)
    former, link = invite_nora(inside, mails)
    join_as_nora(outside, former, link)
    remove_nora(inside, world)
    outside.page.reload()

    heading(outside.page, "Page not found")
    outside.look("outside again")
    assert inside.complaints == []
    assert [each for each in outside.complaints if "status of 404" not in each] == []


def test_it_can_be_joined_without_script_by_somebody_who_has_an_account(running, chromium, mails):
    world = World()
    secrets = [give_app(person) for person in (world.delegate, world.stranger)]
    inside, outside = (Visitor(chromium, running.base_url, has_script=False) for _ in range(2))

    page = inside.sign_in(world.delegate.email, secrets[0])
    page.goto("/organizations/A9994/team/invite")
    page.get_by_label("Email address").fill(world.stranger.email)
    page.get_by_role("button", name="Send invitation").click()
    link = mailed_link(mails, 1)
    theirs = outside.page
    theirs.goto(link)
    expect(theirs.get_by_text(f"Sign in as {world.stranger.email} to accept")).to_be_visible()
    theirs.get_by_label("Email address").fill(world.stranger.email)
    theirs.get_by_label("Password", exact=True).fill("a long password for tests")
    theirs.get_by_role("button", name="Sign in", exact=True).click()
    theirs.get_by_label("Code").fill(code(secrets[1]))
    theirs.get_by_role("button", name="Sign in", exact=True).click()
    heading(theirs, "Join Harbor Care Alliance")
    theirs.get_by_text("I’m responsible for the claims data").click()
    theirs.get_by_role("button", name="Join Harbor Care Alliance").click()

    heading(theirs, "Harbor Care Alliance")
