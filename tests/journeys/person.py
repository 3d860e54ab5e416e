"""A person, or an attacker with a person's browser, who sends forms over HTTP without a browser's manners."""

import re
import ssl

import httpx
from django.conf import settings
from django.test import Client as Browser

from credentials.models import User
from tests.authenticators import code
from tests.world import HOME_ADDRESS, PASSWORD, sign_in

_FORM_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')
_APP_KEY = re.compile(r'id="secret" class="key">([A-Z2-7 ]+)<')


class Person:
    """Cookies are kept, redirects are not followed."""

    def __init__(
        self,
        base_url: str,
        *,
        address: str = HOME_ADDRESS,
        verify: ssl.SSLContext | bool = True,
        transport: httpx.BaseTransport | None = None,
        **headers: str,
    ) -> None:
        headers = {"X-Forwarded-For": address, **headers}
        self.http = httpx.Client(base_url=base_url, headers=headers, verify=verify, transport=transport, timeout=30)

    def signed_in_as(self, user: User) -> "Person":
        """With a session that the test has made, both steps shown."""
        session = sign_in(Browser(), user).session
        self.http.cookies.set(settings.SESSION_COOKIE_NAME, session.session_key, domain="localhost.local")
        return self

    @property
    def session(self) -> str | None:
        """The id in the cookie."""
        return self.http.cookies.get(settings.SESSION_COOKIE_NAME)

    def get(self, path: str) -> httpx.Response:
        return self.http.get(path)

    def send(self, path: str, **fields: str) -> httpx.Response:
        """The form on a page, filled in and sent."""
        return self.http.post(path, data={"csrfmiddlewaretoken": self.form_token(path), **fields})

    def upload(self, path: str, name: str, content: bytes) -> httpx.Response:
        """The form on a page that takes one file."""
        return self.http.post(
            path, data={"csrfmiddlewaretoken": self.form_token(path)}, files={"file": (name, content)}
        )

    def press(self, path: str, act: str) -> httpx.Response:
        """A button on a page, whose form goes to a path below the page's."""
        return self.http.post(f"{path}/{act}", data={"csrfmiddlewaretoken": self.form_token(path)})

    def form_token(self, path: str) -> str:
        page = self.http.get(path)
        found = _FORM_TOKEN.search(page.text)
        assert found, f"{path} has no form: {page.status_code} {page.text[:500]}"
        return found[1]

    def enter(self, email: str, password: str = PASSWORD, **fields: str) -> httpx.Response:
        """The first step of signing in."""
        return self.send("/sign-in", login=email, password=password, **fields)

    def set_up_app(self) -> str:
        """The key that the app now keeps; the second step is shown by it."""
        path = "/account/second-step/app"
        found = _APP_KEY.search(self.get(path).text)
        assert found
        key = found[1].replace(" ", "")
        assert self.http.post(
            path, data={"csrfmiddlewaretoken": self.form_token_kept(), "code": code(key)}
        ).status_code == 302  # fmt: skip
        return key

    def form_token_kept(self) -> str:
        """The token of forms as the cookie has it, without asking for another page."""
        return str(self.http.cookies.get(settings.CSRF_COOKIE_NAME))
