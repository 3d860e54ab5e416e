"""A person at a browser, who looks closely at every page."""

import secrets
from base64 import b32encode
from pathlib import Path

from allauth.mfa.totp.internal.auth import TOTP
from playwright.sync_api import Browser, ConsoleMessage, Page

from credentials.models import User
from tests.authenticators import code
from tests.world import PASSWORD

REPOSITORY = Path(__file__).resolve().parent.parent.parent.parent
AXE = REPOSITORY / "node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
WIDTHS = (320, 1280)
PATIENCE_MILLISECONDS = 60_000


def give_app(person: User) -> str:
    """The person has an authenticator app; its key."""
    secret = b32encode(secrets.token_bytes(20)).decode()
    TOTP.activate(person, secret)
    return secret


class Visitor:
    """A person at a browser, who looks closely at every page."""

    def __init__(self, browser: Browser, base_url: str, *, has_script: bool = True) -> None:
        self.context = browser.new_context(base_url=base_url, java_script_enabled=has_script)
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MILLISECONDS)
        self.base_url = base_url
        self.complaints: list[str] = []
        self.page.on("console", self._complain)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def enter(self, email: str, password: str = PASSWORD) -> None:
        """The first step of signing in."""
        self.page.goto("/sign-in")
        self.page.get_by_label("Email address").fill(email)
        self.page.get_by_label("Password", exact=True).fill(password)
        self.page.get_by_role("button", name="Sign in", exact=True).click()

    def sign_in(self, email: str, secret: str) -> Page:
        """Both steps; `secret` is the key of the person's authenticator app."""
        self.enter(email)
        self.page.get_by_label("Code").fill(code(secret))
        self.page.get_by_role("button", name="Sign in", exact=True).click()
        self.page.wait_for_url("**/organizations**")
        return self.page

    def look(self, what: str) -> None:
        """The page has nothing that keeps people out, and fits, on a desk and on a telephone."""
        self.page.evaluate(AXE.read_text())
        for width in WIDTHS:
            self.page.set_viewport_size({"width": width, "height": 900})
            self.page.evaluate("() => document.fonts.ready.then(() => null)")  # until then others take their room
            wider = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            assert wider <= 0, f"{what}: {wider} pixels too wide at {width}"
            found = self.page.evaluate(
                "rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", RULES
            )
            violations = [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]]
            assert not violations, f"{what} at {width}: {violations}"

    def _complain(self, message: ConsoleMessage) -> None:
        # That a refused form is answered with 400 is no mistake of the page; nor is what pages of others lack.
        is_ours = message.location["url"].startswith(self.base_url)
        if message.type in {"error", "warning"} and is_ours and "status of 400" not in message.text:
            self.complaints.append(message.text)
