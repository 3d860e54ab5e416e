"""The pages of credentials and of the audit trail, in a real browser: as they look, by keyboard, without JavaScript."""

import csv
import datetime as dt

import pytest
from django.conf import settings
from django.test import Client as Browser
from django.utils import timezone
from playwright.sync_api import Page, expect

from credentials.actor import Actor
from credentials.clients import key_registration
from credentials.models import AuditEvent, Client, ClientSecret
from credentials.trail import audit
from tests.credentials.tokens.signing import ec_key, jwk, key_set, private_pem, public_pem
from tests.journeys.browser.visitor import Visitor
from tests.world import World, sign_in

pytestmark = [pytest.mark.journey, pytest.mark.debian]

OVERVIEW = "/organizations/A9994"
ADDRESS = "8.8.4.4"
LONG_NAME = "W" * 64


@pytest.fixture
def running(running_with):
    """The server alone: nothing here waits for a worker."""
    return running_with(has_worker=False)


def visitor_of(world: World, chromium, running, *, has_script: bool = True) -> Visitor:
    """The delegate at a browser, signed in, calling from ADDRESS."""
    session = sign_in(Browser(), world.delegate)
    visitor = Visitor(chromium, running.base_url, has_script=has_script)
    visitor.context.set_extra_http_headers({"X-Forwarded-For": ADDRESS})
    name = settings.SESSION_COOKIE_NAME
    visitor.context.add_cookies([{"name": name, "value": session.cookies[name].value, "url": running.base_url}])
    return visitor


def of_client(client: Client, path: str = "") -> str:
    return f"{OVERVIEW}/credentials/{client.client_id}{path}"


def test_a_secret_is_rotated_and_the_old_one_ended(running, chromium):
    world = World()
    api = world.api_client(name="Warehouse")
    visitor = visitor_of(world, chromium, running)
    page = visitor.page

    page.goto(of_client(api.client))
    visitor.look("a client that was never used")
    page.get_by_role("link", name="Rotate secret").click()
    visitor.look("the question of the overlap")
    expect(page.get_by_role("radio", name="Keep it for 72 hours (recommended)")).to_be_checked()
    page.get_by_text("Keep it for 24 hours").click()
    page.get_by_role("button", name="Rotate secret").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("New secret for Warehouse")
    visitor.look("a rotated secret")
    secret = page.locator("#secret").inner_text()
    assert secret not in str(visitor.context.cookies())
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("This secret was already shown")
    assert not [cookie for cookie in visitor.context.cookies() if "handover" in cookie["name"]]
    page.get_by_role("link", name="rotate the secret").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Warehouse has two valid secrets")
    visitor.look("two valid secrets")
    page.get_by_role("link", name="Revoke the old secret now").click()
    visitor.look("the end of an old secret")
    page.get_by_role("button", name="Revoke secret").click()
    expect(page.get_by_role("status").first).to_contain_text(
        "was revoked. The secret and its access tokens are no longer valid"
    )
    visitor.look("a client without its old secret")

    assert [api.ask_for_token(secret=each).status_code for each in (api.secret, secret)] == [401, 200]
    assert visitor.complaints == []


def test_a_vendor_that_calls_from_an_unlisted_address_is_let_in(running, chromium, tmp_path):
    world = World()
    api = world.api_client(name="Vendor", addresses=["8.8.8.8"])
    api.browser.defaults["REMOTE_ADDR"] = "9.9.9.9"
    assert api.ask_for_token().status_code == 403
    visitor = visitor_of(world, chromium, running)
    page = visitor.page

    page.goto(OVERVIEW)
    visitor.look("an overview with something to do")
    page.get_by_role("link", name="View reasons").click()
    visitor.look("the test of the connection")
    expect(page.locator("#address")).to_have_text(ADDRESS)
    page.get_by_role("link", name="Add to the IP allow list of Vendor: 9.9.9.9").click()
    expect(page.get_by_label("Address 2")).to_have_value("9.9.9.9")
    visitor.look("a prefilled form")
    page.get_by_role("button", name="Save IP allow list").click()
    expect(page.get_by_text("The IP allow list of “Vendor” was saved.")).to_be_visible()
    assert api.ask_for_token().status_code == 200

    page.get_by_role("link", name="View activity of Vendor").click()
    visitor.look("the activity of a client")
    page.get_by_label("Outcome").select_option("Denied")
    page.get_by_role("button", name="Filter activity").click()
    expect(page.locator("tbody tr")).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    rows = list(csv.DictReader(download.value.path().read_text().splitlines()))
    assert [(row["client"], row["action"], row["address"]) for row in rows] == [("Vendor", "token.refused", "9.9.9.9")]
    page.get_by_label("From (UTC)").fill("2020-01-01")
    page.get_by_label("To (UTC)").fill("2020-01-02")
    page.get_by_role("button", name="Filter activity").click()
    expect(page.get_by_role("heading", name="No matching events")).to_be_visible()
    visitor.look("no such events")
    assert visitor.complaints == []


def test_keys_are_added_and_revoked_and_a_private_one_is_refused(running, chromium):
    world = World()
    client = world.api_client(name="Warehouse").client
    visitor = visitor_of(world, chromium, running)
    page = visitor.page

    page.goto(of_client(client, "/keys"))
    visitor.look("no keys")
    page.get_by_role("link", name="Add public key").click()
    page.get_by_label("Name").fill("Warehouse 2026")
    page.get_by_label("Public key").fill(private_pem(ec_key()))
    page.get_by_role("button", name="Add public key").click()
    expect(page.get_by_role("alert")).to_be_focused()
    expect(page.get_by_role("alert")).to_contain_text("You pasted a private key")
    expect(page.get_by_label("Public key")).to_have_value("")
    visitor.look("a refused private key")
    page.get_by_label("Public key").fill(public_pem(ec_key()))
    page.get_by_role("button", name="Add public key").click()
    expect(page.get_by_role("row", name="Warehouse 2026")).to_be_visible()
    visitor.look("a key")
    page.get_by_role("link", name="Add a URL").click()
    page.get_by_label("Key set URL").fill("https://localhost:1/jwks.json")
    page.get_by_role("button", name="Test URL").click()
    expect(page.get_by_role("heading", name="We couldn’t fetch the keys")).to_be_focused()
    visitor.look("a URL that was tried")
    page.goto(of_client(client, "/keys"))
    page.get_by_role("link", name="Revoke Warehouse 2026").click()
    visitor.look("the end of a key")
    page.get_by_role("button", name="Revoke Warehouse 2026").click()

    expect(page.get_by_text("The key “Warehouse 2026” was revoked")).to_be_visible()
    assert client.keys.get().revoked_at is not None
    assert visitor.complaints == []


def test_what_is_long_and_what_is_much_fits_on_a_telephone(running, chromium):
    world = World()
    crowd(world)
    client = Client.objects.get(name=LONG_NAME)
    secret = client.secrets.get()
    key = client.keys.get()
    visitor = visitor_of(world, chromium, running)

    for where in (
        OVERVIEW,
        f"{OVERVIEW}/credentials",
        f"{OVERVIEW}/connection",
        f"{OVERVIEW}/audit",
        of_client(client),
        of_client(client, "/rotate"),
        of_client(client, "/revoke"),
        of_client(client, "/addresses?add=9.9.9.9"),
        of_client(client, f"/secrets/{secret.pk}/revoke"),
        of_client(client, "/keys"),
        of_client(client, "/keys/url"),
        of_client(client, f"/keys/{key.pk}/revoke"),
        of_client(client, "/keys/url/revoke"),
    ):
        visitor.page.goto(where)
        visitor.look(where)
    assert visitor.complaints == []


def test_it_all_works_without_javascript(running, chromium):
    world = World()
    api = world.api_client(name="Warehouse")
    visitor = visitor_of(world, chromium, running, has_script=False)
    page = visitor.page

    page.goto(of_client(api.client, "/rotate"))
    page.get_by_text("Revoke it now").click()
    page.get_by_role("button", name="Rotate secret").click()
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download as warehouse.env").click()
    secret = saved.value.path().read_text().splitlines()[2].removeprefix("CLAIMSGATE_CLIENT_SECRET=")
    page.goto(f"{OVERVIEW}/audit")
    page.get_by_label("What happened").select_option("Secret rotated")
    page.get_by_role("button", name="Filter activity").click()

    assert [api.ask_for_token(secret=each).status_code for each in (api.secret, secret)] == [401, 200]
    expect(page.locator("tbody tr")).to_have_count(1)


def test_it_all_can_be_done_by_keyboard(running, chromium):
    world = World()
    api = world.api_client(name="Warehouse")
    visitor = visitor_of(world, chromium, running)
    page, keys = visitor.page, visitor.page.keyboard

    page.goto(of_client(api.client, "/rotate"))
    page.get_by_role("radio", name="Keep it for 72 hours").focus()
    keys.press("ArrowDown")
    expect(page.get_by_role("radio", name="Keep it for 24 hours")).to_be_checked()
    tab_to(page, "Rotate secret")
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("New secret for Warehouse")
    tab_to(page, "Copy secret")
    tab_to(page, "Revoke the old secret now")
    keys.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("Revoke the old secret")
    tab_to(page, "Revoke secret")
    keys.press("Enter")

    expect(page.get_by_role("status").first).to_contain_text("was revoked")
    old = ClientSecret.objects.get(hint=api.secret[-4:])
    assert old.revoked_at is not None


def tab_to(page: Page, text: str) -> None:
    """Press Tab until what has the focus bears this text."""
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == text:
            return
    pytest.fail(f"{text} cannot be reached by Tab.")


def crowd(world: World) -> None:
    """30 clients, one of them with the longest name, eight addresses and keys; 200 refused calls."""
    eight = [f"2606:4700:4700:1111:2222:3333:4444:{number}" for number in range(1, 9)]
    long = world.api_client(name=LONG_NAME, addresses=eight).client
    key_registration.add_keys(long, key_set(jwk(ec_key(), "k" * 200)), name="K" * 64, by=Actor(user=world.delegate))
    key_registration.set_key_set_url(long, f"https://keys.example/{'a' * 400}", by=Actor(user=world.delegate))
    for number in range(29):
        world.api_client(name=f"Client {number}").client.secrets.update(
            expires_at=timezone.now() + dt.timedelta(days=number - 3)
        )
    AuditEvent.objects.bulk_create(
        AuditEvent(
            action=audit.Action.REQUEST_REFUSED,
            outcome=AuditEvent.Outcome.DENIED,
            organization=world.harbor,
            client=long,
            address=f"2606:4700:4700:aaaa:bbbb:cccc:dddd:{number:x}",
            request_id="f" * 64,
            occurred_at=timezone.now() - number * dt.timedelta(minutes=10),
            detail={"reason": ["address_not_allowed", "token_revoked"][number % 2], "path": f"/data/{'9' * 200}"},
        )
        for number in range(200)
    )
