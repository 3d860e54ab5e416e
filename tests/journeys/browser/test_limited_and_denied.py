"""What a browser shows of organizations that are limited or denied, each page looked at as it is laid out."""

import datetime as dt

import pytest
from playwright.sync_api import expect

from credentials.models import Organization
from tests.journeys.browser.visitor import Visitor, give_app
from tests.world import World

pytestmark = [pytest.mark.journey, pytest.mark.debian]

ENDED = dt.date(2026, 3, 31)
HARBOR = "/organizations/A9994"


def test_each_page_says_that_an_organization_is_limited_or_denied(running, chromium):
    world = World()
    secret = give_app(world.delegate)
    people = world.beneficiaries(5)
    world.roster(world.harbor, people[:2], published_at=dt.datetime(2026, 3, 1, tzinfo=dt.UTC))
    world.roster(world.harbor, people, published_at=dt.datetime(2026, 6, 1, tzinfo=dt.UTC))
    client = world.api_client().client
    visitor = Visitor(chromium, running.base_url)
    page = visitor.page
    page.goto("/sign-in")
    visitor.sign_in("delegate@harbor.example", secret)

    Organization.objects.filter(pk=world.harbor.pk).update(status="limited", termination_date=ENDED)
    for path, words in {
        "": "Limited since Mar 31, 2026",
        "/attribution": "Roster used for your exports",
        "/attribution/new": "You can load a later one, but exports won’t use it.",
        "/exports/new": "2 attributed beneficiaries",
    }.items():
        page.goto(f"{HARBOR}{path}")
        expect(page.get_by_role("heading", name="Limited access")).to_be_visible()
        expect(page.get_by_text(words).first).to_be_visible()
        visitor.look(f"limited{path.replace('/', ' ')}")

    Organization.objects.filter(pk=world.harbor.pk).update(status="denied")
    for path in ("", "/credentials", f"/credentials/{client.client_id}"):
        page.goto(f"{HARBOR}{path}")
        expect(page.locator(".status--bad", has_text="Access denied").first).to_be_visible()
        expect(page.locator(".status--good", has_text="Active")).to_have_count(0)
        visitor.look(f"denied {'client' if client.client_id in path else path.strip('/')}")

    assert visitor.complaints == []
