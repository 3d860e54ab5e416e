"""URLs that are written by hand, in configuration, documents, programs and tests, are all served."""

import ast
import itertools
import re
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from django.urls import Resolver404, URLPattern, URLResolver, get_resolver, resolve, reverse

from portal.management.commands.demo import curl_commands
from tests.services import REPOSITORY

PACKAGES = ("credentials", "attribution", "exports", "portal")
# Where documents and configuration speak of files, and of what is not Django's.
OUTSIDE = re.compile(r"/(app|dev|etc|front-end|opt|run|srv|tmp|usr|var|static|protected-exports)(/|$)")
# What may stand in the place of a parameter: a number, a client's id, an entity id.
VALUES = ("1", str(uuid.UUID(int=1)), "A9994")
PARAMETER = "\0"


def routes(resolver: URLResolver | None = None, before: str = "/") -> Iterator[str]:
    """The routes of the whole URL table, with `\\0` for each parameter."""
    for each in (resolver or get_resolver()).url_patterns:
        route = before + re.sub(r"<[^>]+>|\(\?P.*\)", PARAMETER, str(each.pattern))
        if isinstance(each, URLResolver):
            yield from routes(each, route)
        elif isinstance(each, URLPattern):
            yield route


def filled(path: str) -> Iterator[str]:
    """The path, with values in the place of its parameters."""
    parts = path.split(PARAMETER)
    for values in itertools.product(VALUES, repeat=len(parts) - 1):
        yield "".join(itertools.chain.from_iterable(itertools.zip_longest(parts, values, fillvalue="")))


def is_served(path: str) -> bool:
    """Whether some view answers at the path; of one that ends with a slash or a parameter, at one that begins so."""
    path = re.split(r"[?#]", path)[0]
    beginning = path.removesuffix(PARAMETER)
    if path.endswith(("/", PARAMETER)) and any(route.startswith(beginning) for route in routes()):
        return True
    for each in filled(path):
        try:
            resolve(each)
        except Resolver404:
            continue
        return True
    return False


# --- Documents and configuration ------------------------------------------------------------------------------------

DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "docs/nginx.conf", "compose.yaml", "Dockerfile", "Makefile", ".ci/run")
    for path in REPOSITORY.glob(pattern)
)
_OURS = re.compile(r"https?://(?:localhost|127\.0\.0\.1|gate\.example|HOST)(?::[\w$]+)?(/[^\s\"'`)]*)")
# A path that stands alone in code: between backticks, in quotes or after a blank.
_ALONE = re.compile(r"(?:(?<=[`\"'])|(?<=[A-Z] ))/[\w.$%{<-][^\s\"'`]*")


def paths_in(text: str) -> set[str]:
    """What looks like a path of ours in a document."""
    found = {match.rstrip(".,;:") for match in _OURS.findall(text)}
    found |= {path.rstrip(".,;:") for path in _ALONE.findall(text) if not OUTSIDE.match(path)}
    return {_with_parameters(path) for path in found}


def _with_parameters(path: str) -> str:
    """`$JOB`, `{id}`, `<id>` and a segment in capitals stand for values; `\\$export` is a shell's `$export`."""
    path = path.replace("\\$", "$")
    return re.sub(r"\$[A-Z_]+|\{[^}]+\}|<[^>]+>|(?<=/)[A-Z_]{2,}(?=/|$)", PARAMETER, path)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_path_in_a_document_is_served(document):
    unserved = {path for path in paths_in(document.read_text()) if not is_served(path)}

    assert not unserved


def test_the_documents_do_name_paths():
    found = {path for document in DOCUMENTS for path in paths_in(document.read_text())}

    assert {"/auth/token", f"/data/{PARAMETER}/{PARAMETER}", "/admin/"} <= found
    assert "/organizations/A9994/rosters/new" not in found
    assert not is_served("/organizations/A9994/rosters/new")


def test_the_calls_that_the_demo_prints_are_served():
    paths = [path for command in curl_commands("http://localhost:9000", "id", "secret") for path in paths_in(command)]

    assert len(paths) == 4
    assert all(map(is_served, paths))


# --- nginx ----------------------------------------------------------------------------------------------------------

NGINX = (REPOSITORY / "docs" / "nginx.conf").read_text()
_LOCATION = re.compile(r"^ *location (?:(~\*?|=|\^~) )?(\S+) \{\n(.*?)^ *\}$", re.MULTILINE | re.DOTALL)


def locations() -> Iterable[tuple[str, str, str]]:
    """How each is compared, with what, and what stands in it."""
    return _LOCATION.findall(NGINX)


def test_every_location_of_nginx_is_served():
    for comparison, path, content in locations():
        if comparison == "~":
            matching = [route for route in routes() if any(re.search(path, each) for each in filled(route))]
            assert matching, f"nothing is served at {path}"
        elif path.startswith("@"):  # what nginx answers by itself
            assert f" {path};" in NGINX
        elif "internal;" in content:
            assert path == "/protected-exports/"
        else:
            assert is_served(path), path


def test_nginx_takes_large_bodies_where_pages_take_files_and_nowhere_else():
    large = [path for comparison, path, content in locations() if "client_max_body_size" in content]
    taking_files = [
        path for path in (REPOSITORY / "templates").rglob("*.html") if "multipart/form-data" in path.read_text()
    ]

    [pattern] = large
    assert sorted(path.name for path in taking_files) == ["load_preferences.html", "upload.html"]
    matching = {route for route in routes() for each in filled(route) if re.search(pattern, each)}
    assert matching == {
        reverse("portal:roster-upload", args=[PARAMETER]).replace("%00", PARAMETER),
        reverse("admin:attribution_preferencechange_load"),
    }


# --- Programs, pages and tests --------------------------------------------------------------------------------------

_IN_PAGES = re.compile(r"""(?:href|src|action|hx-\w+|data-[\w-]+)=["'](/[\w.][^"']*)["']|fetch\(["'`](/[^"'`]+)""")


def test_every_path_in_a_page_or_its_javascript_is_served():
    files = [path for folder in ("templates", "static") for path in (REPOSITORY / folder).rglob("*") if path.is_file()]
    texts = {path: path.read_text() for path in files if path.suffix in {".html", ".js", ".txt"}}

    found = {(path, "".join(match)) for path, text in texts.items() for match in _IN_PAGES.findall(text)}

    assert len(texts) > 100
    assert not [(path, url) for path, url in found if not is_served(url) and not OUTSIDE.match(url)]


def paths_in_python(tree: ast.AST) -> Iterator[str]:
    """The strings of a program that begin as a path does; what is filled in there is a parameter."""
    inside = {id(part) for each in ast.walk(tree) if isinstance(each, ast.JoinedStr) for part in each.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(part.value if isinstance(part, ast.Constant) else PARAMETER for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            text = node.value
        else:
            continue
        if re.fullmatch(r"/[a-z_.][^\s]*", text):
            yield text


def test_every_path_in_the_product_is_served():
    programs = [
        path for package in PACKAGES for path in (REPOSITORY / package).rglob("*.py") if "urls" not in path.stem
    ]

    found = {(path.name, text) for path in programs for text in paths_in_python(ast.parse(path.read_text()))}

    # How paths begin, by which the kind of an answer is chosen.
    beginnings = {text for name, text in found if name == "answers.py"}
    assert "/auth/connection" in beginnings
    assert not [text for text in beginnings if not any(route.startswith(text) for route in routes())]
    assert not [
        (name, text)
        for name, text in found
        if not is_served(text) and not OUTSIDE.match(text) and text not in beginnings
    ]


# What a test asks for although nobody serves it, so that it sees what is answered.
ASKED_IN_VAIN = {"/nginx%0aFAKE%20LINE%1b%5b31m"}
# Below it are the paths of the toy version, which only its own journey serves (tests/toys/version.py).
OF_THE_TOYS = "/api/v9/"
_VERBS = {
    "get",
    "post",
    "put",
    "patch",
    "delete",
    "head",
    "options",
    "send",
    "upload",
    "form_token",
    "kick_off",
    "goto",
}


def paths_asked_for(tree: ast.AST) -> Iterator[str]:
    """The paths that a test sends requests to, as far as they stand there in one piece."""
    for node in ast.walk(tree):
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _VERBS
        if is_call and node.args and isinstance(node.args[0], ast.Constant | ast.JoinedStr):
            yield from paths_in_python(node.args[0])


def test_every_path_that_a_test_asks_for_is_served():
    tests = [path for path in (REPOSITORY / "tests").rglob("*.py") if path != Path(__file__)]

    asked = {(path.name, text) for path in tests for text in paths_asked_for(ast.parse(path.read_text()))}

    unserved = {text for _, text in asked if not is_served(text) and not OUTSIDE.match(text)}
    unserved = {text for text in unserved if not text.startswith(OF_THE_TOYS)}
    assert len(asked) > 100
    assert not unserved - ASKED_IN_VAIN
