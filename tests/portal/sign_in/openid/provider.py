"""The way to the provider and back."""

from urllib.parse import parse_qsl, urlencode, urlsplit

import requests
from django.contrib import auth
from django.test import Client as Browser

START, CALLBACK = "/sign-in/with/test-idp", "/sign-in/with/test-idp/callback"
SUBJECT = "subject-1"


def go(visitor: Browser, **query: str) -> str:
    """The address at the provider to which the visitor is sent."""
    return visitor.get(START, query)["Location"]


def consent(address: str, subject: str = SUBJECT) -> str:
    """Sign in at the provider; the path and query with which one is sent back."""
    answer = requests.post(address, data={"sub": subject}, allow_redirects=False, timeout=5)
    back = urlsplit(answer.headers["Location"])
    return f"{back.path}?{back.query}"


def come_in(visitor: Browser, subject: str = SUBJECT, **query: str):
    return visitor.get(consent(go(visitor, **query), subject))


def is_in(browser: Browser) -> bool:
    return auth.SESSION_KEY in browser.session


def with_query(path: str, **changes: str) -> str:
    split = urlsplit(path)
    return f"{split.path}?{urlencode({**dict(parse_qsl(split.query)), **changes})}"
