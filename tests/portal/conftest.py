import uuid
from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from django.core.cache import caches
from django.core.mail import EmailMessage
from django.db import transaction
from django.test import Client as Browser

from credentials.models import User
from portal.celery import app as celery
from tests.world import sign_in


@pytest.fixture(autouse=True)
def _files_of_their_own(settings, tmp_path):
    """Export files in a folder of the test."""
    exports = {**settings.STORAGES["exports"]}
    exports["OPTIONS"] = {**exports["OPTIONS"], "location": str(tmp_path / "exports")}
    settings.STORAGES = {**settings.STORAGES, "exports": exports}


@pytest.fixture
def browse(world):
    """A browser in which a person has signed in."""

    def signed_in(user: User) -> Browser:
        return sign_in(Browser(REMOTE_ADDR="8.8.4.4"), user)

    return signed_in


@pytest.fixture
def delegate(world, browse) -> Browser:
    """The browser of Harbor's credential delegate."""
    return browse(world.delegate)


@pytest.fixture
def colleague(world, browse) -> Browser:
    """The browser of a member of Harbor who does not manage credentials."""
    return browse(world.colleague)


@pytest.fixture
def stranger(world, browse) -> Browser:
    """The browser of a member of another organization."""
    return browse(world.stranger)


@pytest.fixture(autouse=True)
def _a_cache_of_their_own(monkeypatch):
    """No test pays for what those before it have tried."""
    monkeypatch.setattr(caches["default"], "key_prefix", str(uuid.uuid4()))


@pytest.fixture
def mails(monkeypatch, mailoutbox) -> Iterator[list[EmailMessage]]:
    """The mails that were sent; the worker and the commit are at hand at once."""
    monkeypatch.setattr(transaction, "on_commit", lambda act, **_: act())
    celery.conf.task_always_eager = True
    yield mailoutbox
    celery.conf.task_always_eager = False


class Page(HTMLParser):
    """A page as a person meets it: its title, its headings, its text, its elements by id."""

    def __init__(self, response) -> None:
        super().__init__()
        self.by_id: dict[str, dict[str, str | None]] = {}
        self.text_of: dict[str, str] = {}
        self.title = ""
        self._open: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(response.content.decode())
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if identifier := attributes.get("id"):
            self.by_id[identifier] = {"tag": tag, **attributes}
            self.text_of[identifier] = ""
        if tag not in {"meta", "link", "input", "img", "br"}:
            self._open.append((tag, identifier))

    def handle_endtag(self, tag):
        if tag in {"dd", "dt", "h1", "h2", "h3", "li", "p", "td", "th", "title"}:
            self.text += " "
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        tags = [tag for tag, _ in self._open]
        if "title" in tags and "svg" not in tags:
            self.title += data
        for _, identifier in self._open:
            if identifier:
                self.text_of[identifier] += data
        self.text += data

    def errors_of(self, field_id: str) -> str:
        """What the field's aria-describedby says is wrong with it."""
        field = self.by_id[field_id]
        assert field["aria-invalid"] == "true"
        named = [name for name in (field["aria-describedby"] or "").split() if name.endswith("_error")]
        return " ".join(" ".join(self.text_of[name].split()) for name in named)


@pytest.fixture
def read():
    """Reads a response as a Page."""
    return Page
