"""The life of a roster in a browser: a damaged file, a preview, its approval, and a rollback, each page looked at."""

import pytest
from playwright.sync_api import expect

from attribution import loading
from credentials.actor import Actor
from tests.attribution.archives import MBIS, archive
from tests.journeys.browser.visitor import Visitor, give_app
from tests.world import World

pytestmark = [pytest.mark.journey, pytest.mark.debian]

ATTRIBUTION = "/organizations/A9994/attribution"
OCTOBER, NOVEMBER, DAMAGED = (f"P.BCD.A9994.ZCY26.D26{day}.T1000000" for day in ("1001", "1101", "1102"))


def test_a_roster_is_checked_published_approved_and_rolled_back(running, chromium, tmp_path):
    world = World()
    keys = {person: give_app(person) for person in (world.delegate, world.colleague)}
    loading.load_roster(archive(OCTOBER, MBIS[:15]), file_name=OCTOBER, by=Actor())
    for name, mbis in ((NOVEMBER, MBIS[12:]), (DAMAGED, ["1S00A00AA00", "bad", "1S00A00AAXX"])):
        (tmp_path / name).write_bytes(archive(name, mbis).getvalue())

    visitor = Visitor(chromium, running.base_url)
    page = visitor.sign_in("delegate@harbor.example", keys[world.delegate])

    def check(name: str) -> None:
        page.goto(f"{ATTRIBUTION}/new")
        visitor.look("the form")
        page.get_by_label("Roster file").set_input_files(tmp_path / name)
        page.get_by_role("button", name="Check roster").click()

    check(DAMAGED)
    expect(page.get_by_role("heading", level=1)).to_have_text("Roster refused")
    visitor.look("the problems")
    check(NOVEMBER)
    expect(page.get_by_role("heading", level=1)).to_have_text("Check this roster")
    visitor.look("a preview of a large change")
    page.get_by_role("button", name="Ask for approval").click()
    expect(page.get_by_role("alert").first).to_be_visible()
    visitor.look("a preview without a reason")
    page.get_by_label("Reason").fill("Two practices left.")
    page.get_by_role("button", name="Ask for approval").click()
    expect(page.get_by_role("button", name="Approve and publish roster")).to_have_count(0)
    visitor.look("a preview that waits")
    waiting = page.url
    page.goto(ATTRIBUTION)
    visitor.look("a list with one that waits")

    other = Visitor(chromium, running.base_url)
    second = other.sign_in("colleague@harbor.example", keys[world.colleague])
    second.goto(waiting)
    other.look("a preview to approve")
    second.get_by_role("button", name="Approve and publish roster").click()
    expect(second.get_by_role("heading", level=1)).to_have_text("Roster published")
    other.look("a published roster")
    second.get_by_role("link", name="Roll back roster").click()
    other.look("the question")
    second.get_by_label("Reason").fill("It was the file of another organization.")
    second.get_by_role("button", name="Roll back roster").click()
    expect(second.get_by_role("heading", level=1)).to_have_text("Roster rolled back")
    other.look("a roster that was rolled back")
    second.goto(ATTRIBUTION)
    expect(second.get_by_text("In force: the roster of October 2026")).to_be_visible()
    other.look("the list after it")

    assert visitor.complaints == other.complaints == []
