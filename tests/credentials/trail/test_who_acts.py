"""Who acts is made once, at the border. What acts is told `by` whom, and sees no HTTP request."""

import ast

import pytest

from tests.house.test_house import PACKAGES, files
from tests.services import REPOSITORY

# The border: what answers a request, and what is about requests themselves.
BORDER = {"admin", "api", "access", "middleware", "operators", "pages", "sign_in", "tokens", "views"}
BORDER_FILES = {
    *("credentials/actor.py", "portal/administration.py", "portal/answers.py", "portal/outages.py", "portal/urls.py"),
    "portal/templatetags/session.py",
    "credentials/models/client.py",  # the toolkit's signature
}


def acts() -> list[str]:
    found = []
    for package in PACKAGES:
        for path in files("*.py", package):
            place = path.relative_to(REPOSITORY)
            if str(place) not in BORDER_FILES and BORDER.isdisjoint(place.with_suffix("").parts):
                found.append(str(place))
    return found


def requests_in(source: str) -> list[str]:
    """The functions that take an HTTP request, as `name`."""
    return [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
        for argument in (*node.args.args, *node.args.kwonlyargs)
        if argument.arg == "request" or "HttpRequest" in ast.unparse(argument.annotation or ast.Constant(""))
    ]


def test_it_finds_one():
    assert requests_in("def act(client: Client, *, request: HttpRequest | None = None): ...") == ["act"]


@pytest.mark.parametrize("place", acts())
def test_what_acts_takes_no_request(place):
    assert requests_in((REPOSITORY / place).read_text()) == []


def test_the_page_that_ends_things_takes_none_either():
    assert requests_in((REPOSITORY / "portal/pages/clients/ending.py").read_text()) == []
    assert requests_in((REPOSITORY / "portal/sign_in/personal_events.py").read_text()) == []


def strays_in(source: str) -> list[str]:
    """What is told to an event beside who acts, and would silently become a detail of it."""
    return [
        f"{node.lineno}: {keyword.arg}"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("record", "record_about_person"))
        for keyword in node.keywords
        if keyword.arg in {"user", "request", "address", "requested_by"}
    ]


def test_it_finds_a_stray():
    assert strays_in("audit.record(Action.A, by, organization=None, user=by)") == ["1: user"]


@pytest.mark.parametrize("package", PACKAGES)
def test_an_event_takes_who_acts_from_the_actor_alone(package):
    found = {str(path): strays_in(path.read_text()) for path in files("*.py", package)}

    assert not {path: strays for path, strays in found.items() if strays}
