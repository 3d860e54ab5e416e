"""Signing in, in a real browser: passwords, authenticator apps, passkeys, providers, and the end of a session."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from playwright.sync_api import Page, expect

from tests.authenticators import code
from tests.journeys.browser.visitor import Visitor
from tests.journeys.conftest import free_port
from tests.world import PASSWORD, World

pytestmark = [pytest.mark.journey, pytest.mark.debian]

DELEGATE = "delegate@harbor.example"
NEW_PASSWORD = "three small boats at dawn"
USER_VERIFYING = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture
def running(running_with):
    """The server alone: only one of the tests waits for a mail."""
    return running_with(has_worker=False)


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def sign_out(page: Page) -> None:
    page.locator("summary", has_text="Signed in as").click()
    page.get_by_role("button", name="Sign out").click()
    heading(page, "Sign in")


def with_passkeys(visitor: Visitor) -> None:
    """The browser gets a device that keeps passkeys and recognizes its owner."""
    devtools = visitor.context.new_cdp_session(visitor.page)
    devtools.send("WebAuthn.enable")
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": USER_VERIFYING})


def test_a_delegate_sets_up_an_app_and_signs_in_with_it(running, chromium):
    World()
    visitor = Visitor(chromium, running.base_url)
    page = visitor.page

    page.goto("/organizations/A9994/credentials")
    visitor.look("the door")
    page.get_by_role("button", name="Show password").click()
    expect(page.get_by_label("Password", exact=True)).to_have_attribute("type", "text")
    page.get_by_label("Email address").fill(DELEGATE)
    page.get_by_label("Password", exact=True).fill("wrong")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert").first).to_contain_text("The email address or password is wrong.")
    visitor.look("a wrong password")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()

    heading(page, "Set up two-factor authentication")
    visitor.look("the choice of a second step")
    page.get_by_role("link", name="Set up an authenticator app").click()
    heading(page, "Set up an authenticator app")
    visitor.look("setting up an app")
    assert page.locator("img.qr").evaluate("image => image.complete && image.naturalWidth > 100")
    secret = page.locator("#secret").inner_text()
    page.get_by_label("Code").fill("000000")
    page.get_by_role("button", name="Set up authenticator app").click()
    visitor.look("a wrong code")
    page.get_by_label("Code").fill(code(secret))
    page.get_by_role("button", name="Set up authenticator app").click()

    heading(page, "Save your recovery codes")
    visitor.look("recovery codes")
    codes = page.locator("#codes code").all_inner_texts()
    with page.expect_download() as saved:
        page.get_by_role("link", name="Download codes").click()
    assert saved.value.path().read_text().split() == codes
    page.get_by_role("link", name="I’ve saved the codes: continue").click()
    heading(page, "API credentials")
    assert page.url.endswith("/organizations/A9994/credentials")

    sign_out(page)
    visitor.enter(DELEGATE)
    heading(page, "Two-factor authentication")
    visitor.look("the second step")
    page.get_by_label("Code").fill(codes[0])
    page.get_by_role("button", name="Sign in", exact=True).click()
    heading(page, "Harbor Care Alliance")
    expect(page.get_by_text("You used a recovery code. You have 9 left.")).to_be_visible()
    assert visitor.complaints == []


def test_a_delegate_signs_in_with_a_passkey_alone(running, chromium):
    World()
    visitor = Visitor(chromium, running.base_url)
    page = visitor.page
    with_passkeys(visitor)

    visitor.enter(DELEGATE)
    page.get_by_role("link", name="Set up a passkey").click()
    visitor.look("setting up a passkey")
    page.get_by_label("Name").fill("Work laptop")
    page.get_by_role("button", name="Set up passkey").click()
    heading(page, "Save your recovery codes")
    page.get_by_role("link", name="I’ve saved the codes: continue").click()
    heading(page, "Harbor Care Alliance")

    sign_out(page)
    page.get_by_role("button", name="Sign in with a passkey").click()
    heading(page, "Harbor Care Alliance")
    sign_out(page)
    visitor.enter(DELEGATE)
    visitor.look("the second step with a passkey")
    page.get_by_role("button", name="Use a passkey").click()
    heading(page, "Harbor Care Alliance")

    page.locator("summary", has_text="Signed in as").click()
    page.get_by_role("link", name="Your account").click()
    expect(page.get_by_text("can replace your password")).to_be_visible()
    visitor.look("the account")
    page.get_by_role("link", name="Rename Work laptop").click()
    visitor.look("renaming a passkey")
    page.get_by_label("Name").fill("Blue laptop")
    page.get_by_role("button", name="Save name").click()
    page.get_by_role("link", name="Remove Blue laptop").click()
    visitor.look("removing a passkey")
    page.get_by_role("link", name="Keep it").click()
    page.get_by_role("link", name="Create new codes").click()
    visitor.look("making new recovery codes")
    page.get_by_role("link", name="Your account").click()
    page.get_by_role("link", name="Change your password").click()
    visitor.look("changing the password")
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New password").fill("too short")
    page.get_by_role("button", name="Change password").click()
    visitor.look("a password that is too short")
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_label("New password").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("Your password was changed.")).to_be_visible()
    assert visitor.complaints == []


def test_where_one_is_signed_in_and_out_again(running, chromium):
    World()
    here, there = (Visitor(chromium, running.base_url) for _ in range(2))
    for visitor in (here, there):
        visitor.enter("colleague@harbor.example")
        heading(visitor.page, "Harbor Care Alliance")

    here.page.goto("/account/sessions")
    here.look("sessions")
    expect(here.page.get_by_text("This browser")).to_have_count(1)
    here.page.get_by_role("button", name=re.compile("Sign out Chrome on Linux")).click()
    expect(here.page.get_by_text("was signed out.")).to_be_visible()
    there.page.reload()

    heading(there.page, "Sign in")
    assert here.complaints == there.complaints == []


def test_a_forgotten_password_is_set_anew(running_with, chromium, tmp_path):
    world = World()
    port = free_port()
    running = running_with({"PUBLIC_URL": f"http://localhost:{port}", "EMAIL_URL": f"filemail:///{tmp_path}/mail"})
    visitor = Visitor(chromium, running.base_url)
    page = visitor.page

    page.goto("/sign-in")
    page.get_by_role("link", name="Forgot your password, or don’t have one yet?").click()
    visitor.look("asking for a link")
    page.get_by_label("Email address").fill(world.colleague.email)
    page.get_by_role("button", name="Send the link").click()
    heading(page, "Check your email")
    visitor.look("a mail is on its way")
    link = _mailed_link(tmp_path / "mail")
    page.goto(link)
    heading(page, "Set your password")
    assert "link=" not in page.url
    visitor.look("setting a password")
    page.get_by_label("New password").fill(NEW_PASSWORD)
    page.get_by_role("button", name="Set password").click()
    expect(page.get_by_text("Your password was set. Sign in with it.")).to_be_visible()
    page.goto(link)
    heading(page, "This link is no longer valid")
    visitor.look("a link that is over")
    visitor.enter(world.colleague.email, NEW_PASSWORD)

    heading(page, "Harbor Care Alliance")


def _mailed_link(folder: Path) -> str:
    """The path in the mail that the worker has sent."""
    until = time.monotonic() + 60
    pattern = re.compile(r"http://localhost:\d+(/sign-in/new-password\?link=\S+)")
    while not (found := [path for mail in folder.glob("*.log") for path in pattern.findall(mail.read_text())]):
        assert time.monotonic() < until, "no mail came within a minute"
        time.sleep(0.2)
    return str(found[0])


def test_before_a_session_ends_one_is_asked(running_with, chromium):
    world = World()
    running = running_with({"SESSION_IDLE_MINUTES": "2"}, has_worker=False)
    visitor = Visitor(chromium, running.base_url)
    page = visitor.page

    visitor.enter(world.colleague.email)
    heading(page, "Harbor Care Alliance")
    dialog = page.get_by_role("dialog", name="Are you still there?")
    expect(dialog).to_contain_text(re.compile(r"You’ll be signed out in \d (minutes|minute)"))
    visitor.look("the end of a session comes near")
    expect(dialog.get_by_role("button", name="Stay signed in")).to_be_focused()
    dialog.get_by_role("button", name="Sign out now").click()

    heading(page, "Sign in")
    assert visitor.complaints == []


@pytest.fixture
def provider() -> Iterator[str]:
    """An OpenID Connect provider, in a process of its own."""
    address = f"http://localhost:{free_port()}"
    command = [sys.executable, "-m", "oidc_provider_mock", "--host", "localhost", "--port", address.rpartition(":")[2]]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while True:
        try:
            claims = {"email": "colleague@harbor.example", "email_verified": True}
            requests.put(f"{address}/users/colleague", json=claims, timeout=5).raise_for_status()
            break
        except requests.ConnectionError:
            assert time.monotonic() < until, "the provider did not come up within a minute"
            time.sleep(0.2)
    yield address
    process.terminate()
    process.wait()


def test_a_person_comes_in_through_a_provider(running_with, chromium, provider):
    World()
    entry = (
        f'[{{"id": "test-idp", "name": "Test IdP", "issuer": "{provider}", "client_id": "a", "client_secret": "b"}}]'
    )
    running = running_with({"OPENID_PROVIDERS": entry}, has_worker=False)
    visitor = Visitor(chromium, running.base_url)
    page = visitor.page

    page.goto("/organizations/A9994/exports")
    visitor.look("the door with a provider")
    page.get_by_role("link", name="Sign in with Test IdP").click()
    page.get_by_placeholder("sub").fill("colleague")
    page.get_by_role("button", name="Authorize").click()

    page.wait_for_url("**/organizations/A9994/exports")
    assert visitor.complaints == []
