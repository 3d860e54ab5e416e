"""Second steps, as a person sets them up."""

import html
import json
import re

from django.contrib import auth
from django.test import Client as Browser

from tests.authenticators import Passkey, code
from tests.world import PASSWORD

CREDENTIALS = {"login": "delegate@harbor.example", "password": PASSWORD}
APP, PASSKEYS = "/account/second-step/app", "/account/second-step/passkeys"


def set_up_app(browser: Browser) -> str:
    """The key that the app now keeps."""
    page = browser.get(APP).content.decode()
    secret = re.search(r'id="secret" class="key">([A-Z2-7 ]+)<', page)[1]
    assert browser.post(APP, {"code": code(secret)}).status_code == 302
    return secret


def set_up_passkey(browser: Browser, passkey: Passkey, name: str = "Laptop") -> None:
    answer = passkey.create(options_of(browser.get(f"{PASSKEYS}/new")))
    assert browser.post(f"{PASSKEYS}/new", {"name": name, "credential": answer}).status_code == 302


def options_of(response) -> dict:
    found = re.search(r'<script id="passkey-options" type="application/json">(.+?)</script>', response.content.decode())
    return json.loads(html.unescape(found[1]))


def recovery_codes_of(browser: Browser) -> list[str]:
    return re.findall(r"<li><code>(\d{8})</code></li>", browser.get("/account/second-step/codes").content.decode())


def is_in(browser: Browser) -> bool:
    return auth.SESSION_KEY in browser.session
