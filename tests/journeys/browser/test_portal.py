"""The portal as people use it: a real browser, the real server, the real worker."""

import datetime as dt
import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from attribution import synthetic
from credentials.models import Client
from exports.intake.sandbox import load_synthetic_claims
from exports.models import Job
from tests.authenticators import code
from tests.journeys.browser.visitor import PATIENCE_MILLISECONDS, Visitor, give_app
from tests.world import PASSWORD, World

pytestmark = [pytest.mark.journey, pytest.mark.debian]

MADE_AT = dt.datetime(2026, 11, 1, 4, 30, tzinfo=dt.UTC)


def test_from_signing_in_to_claims_on_the_desk(running, chromium, tmp_path):
    secret = give_app(World().delegate)
    people = list(synthetic.people(7, 6))
    roster = _roster_file(tmp_path, people)
    visitor = Visitor(chromium, running.base_url)
    page = visitor.page

    page.goto("/sign-in")
    visitor.look("sign in")
    visitor.sign_in("delegate@harbor.example", secret)
    expect(page.get_by_role("heading", level=1)).to_have_text("Harbor Care Alliance")
    visitor.look("a new organization")
    _create_a_client(visitor)
    _load_the_roster(visitor, roster)
    load_synthetic_claims(people, seed=7, start_date=dt.date(2023, 1, 1), end_date=dt.date(2026, 1, 1), source="a test")
    _export(visitor)
    _download(visitor, tmp_path, people)

    page.get_by_role("link", name="Overview").click()
    expect(page.get_by_text("Done: ")).to_have_count(3)
    visitor.look("an organization that is set up")
    page.locator("summary", has_text="Signed in as").click()
    visitor.look("the menu")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    assert visitor.complaints == []


def test_everything_works_without_javascript(running, chromium, tmp_path):
    secret = give_app(World().delegate)
    people = list(synthetic.people(7, 2))
    visitor = Visitor(chromium, running.base_url, has_script=False)
    page = visitor.sign_in("delegate@harbor.example", secret)

    page.goto("/organizations/A9994/credentials/new")
    page.get_by_label("Name", exact=True).fill("Warehouse")
    page.get_by_label("Address 8").fill("8.8.8.8")
    page.get_by_role("button", name="Create client").click()
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download as warehouse.env").click()
    page.goto("/organizations/A9994/attribution/new")
    page.get_by_label("Roster file").set_input_files(_roster_file(tmp_path, people))
    page.get_by_role("button", name="Check roster").click()
    page.get_by_role("button", name="Publish roster").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Roster published")
    load_synthetic_claims(people, seed=7, start_date=dt.date(2025, 1, 1), end_date=dt.date(2026, 1, 1), source="a test")
    page.get_by_role("link", name="Start export").click()
    page.get_by_role("button", name="Start export").click()
    page.wait_for_url("**/exports/*")
    while page.get_by_role("link", name="Refresh this page").count():
        page.get_by_role("link", name="Refresh this page").click()

    assert saved.value.path().read_text().startswith(f"CLAIMSGATE_BASE_URL={running.base_url}\n")
    expect(page.locator(".progress__status")).to_have_text("Ready")
    assert Job.objects.get().status == Job.Status.COMPLETED


def test_everything_can_be_reached_by_keyboard(running, chromium):
    secret = give_app(World().delegate)
    visitor = Visitor(chromium, running.base_url)
    page = visitor.page
    page.set_viewport_size({"width": 1280, "height": 900})
    keys = page.keyboard

    page.goto("/sign-in")
    keys.type("delegate@harbor.example")  # the first field has the focus
    keys.press("Tab")
    keys.type(PASSWORD)
    keys.press("Enter")
    page.wait_for_url("**/sign-in/second-step")
    keys.type(code(secret))  # so has the field for the code
    keys.press("Enter")
    page.wait_for_url("**/organizations/A9994")
    keys.press("Tab")
    expect(page.get_by_role("link", name="Skip to main content")).to_be_focused()
    keys.press("Enter")
    expect(page.locator("main")).to_be_focused()

    menu = page.locator("summary", has_text="Signed in as")
    menu.focus()
    keys.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    keys.press("Escape")
    expect(page.get_by_role("button", name="Sign out")).to_be_hidden()
    expect(menu).to_be_focused()

    page.goto("/organizations/A9994/credentials/new")
    page.get_by_label("Name", exact=True).focus()
    keys.press("Enter")
    problems = page.get_by_role("alert")
    expect(problems).to_be_focused()
    problems.get_by_role("link", name="Address 1").focus()
    keys.press("Enter")
    expect(page.get_by_label("Address 1")).to_be_focused()
    assert visitor.complaints == []


def _create_a_client(visitor: Visitor) -> None:
    page = visitor.page
    page.get_by_role("link", name="Create client").click()
    visitor.look("a form")
    expect(page.get_by_label("Address 2")).to_be_hidden()
    page.get_by_label("Name", exact=True).fill("Warehouse")
    page.get_by_label("Address 1").fill("8.8.8.8")
    page.get_by_role("button", name="Add another IP address").click()
    expect(page.get_by_label("Address 2")).to_be_focused()
    page.get_by_label("Address 2").fill("192.168.0.1")
    page.get_by_role("button", name="Create client").click()
    expect(page.get_by_label("Address 2")).to_have_accessible_description(
        "Error: 192.168.0.1 is a private IP address: it works only inside a network. "
        "Enter the public IP address that your system calls from."
    )
    visitor.look("a form with an error")
    page.get_by_label("Address 2").fill("9.9.9.9")
    page.get_by_role("button", name="Create client").click()

    visitor.look("a new secret")
    secret = page.locator("#secret").inner_text()
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy secret").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("This secret was already shown")
    assert secret not in page.content()
    visitor.look("a secret that was shown")
    assert Client.objects.get().secrets.count() == 1

    page.get_by_role("link", name="Credentials").first.click()
    visitor.look("clients")
    page.get_by_role("link", name="Warehouse").click()
    visitor.look("a client")
    page.get_by_role("link", name="Revoke client").click()
    visitor.look("a question")


def _load_the_roster(visitor: Visitor, roster: Path) -> None:
    page = visitor.page
    page.get_by_role("link", name="Attribution").click()
    visitor.look("no roster")
    page.get_by_role("link", name="Load roster").click()
    page.get_by_label("Roster file").set_input_files({"name": "roster.csv", "mimeType": "text/csv", "buffer": b"MBI\n"})
    visitor.look("a chosen file")
    page.get_by_role("button", name="Check roster").click()
    expect(page.get_by_role("alert")).to_contain_text("is not the name of a CCLF archive")
    visitor.look("a refused file")
    page.get_by_label("Roster file").set_input_files(roster)
    page.get_by_role("button", name="Check roster").click()
    page.get_by_role("button", name="Publish roster").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Roster published")
    visitor.look("a published roster")


def _export(visitor: Visitor) -> None:
    """From the form to files, without a reload, although the server is away once when it is asked for news."""
    page = visitor.page
    page.route("**/progress", lambda route: route.fulfill(status=503, body="<h1>Away</h1>"), times=1)
    page.get_by_role("link", name="Start export").click()
    visitor.look("the form of an export")
    page.get_by_role("button", name="Start export").click()
    page.wait_for_url("**/exports/*")
    page.evaluate("window.isTheSamePage = true")
    expect(page.locator(".progress__status")).to_have_text("Ready", timeout=PATIENCE_MILLISECONDS)
    expect(page.locator("[data-announce]")).to_have_text("The export is ready.")
    expect(page.locator("[hx-get]")).to_have_count(0)
    assert "503" in visitor.complaints.pop()
    assert page.evaluate("window.isTheSamePage") is True
    visitor.look("a finished export")


def _download(visitor: Visitor, folder: Path, people) -> None:
    with visitor.page.expect_download() as download:
        visitor.page.get_by_role("link", name="Patient").click()
    path = folder / "patients.ndjson"
    download.value.save_as(path)
    patients = [json.loads(line) for line in path.read_text().splitlines()]
    found = {identifier["value"] for patient in patients for identifier in patient["identifier"]}
    assert download.value.suggested_filename.endswith("-Patient.ndjson")
    assert {person.mbi for person in people} <= found
    assert len(patients) == len(people)
    visitor.page.get_by_role("link", name="Exports").first.click()
    visitor.look("exports")


def _roster_file(folder: Path, people) -> Path:
    path = folder / synthetic.cclf_archive_name("A9994", 2026, MADE_AT, is_test=False)
    content = synthetic.cclf_archive(people, entity_id="A9994", performance_year=2026, timestamp=MADE_AT, is_test=False)
    path.write_bytes(content)
    return path
