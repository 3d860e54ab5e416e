"""The application as a server calls it (WSGI), and all its paths: for tests of what stands on the wire."""

import contextlib
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.urls import URLPattern, URLResolver, get_resolver

from portal import answers
from portal.answers import Family
from portal.wsgi import Application, application

# One value for each kind of parameter that a path may have.
EXAMPLES = {"int": "1", "uuid": "6f9619ff-8b86-4011-b42d-00c04fc964ff", "slug": "login-gov", "str": "A9994"}

MEDIA_TYPES = {
    Family.FHIR: "application/fhir+json",
    Family.OAUTH: "application/json",
    Family.OPERATORS: "application/json",
    Family.JSON: "application/json",
    Family.TEXT: "text/plain; charset=utf-8",
}


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


def call(
    method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes = b"", *, by: Application = application
) -> Answer:
    """What the application answers. `url` is a path, and a query if there is one, as they stand in a request line."""
    path, _, query = url.partition("?")
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "REMOTE_ADDR": "8.8.8.8",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for header, value in (headers or {}).items():
        name = header.upper().replace("-", "_")
        environ[name if name == "CONTENT_TYPE" else f"HTTP_{name}"] = value
    told: dict[str, Any] = {}

    def start_response(status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> None:
        told.update(status=int(status[:3]), headers={name.title(): value for name, value in headers})

    with _the_connection_of_the_test():
        chunks = by(environ, start_response)
        try:
            return Answer(told["status"], told["headers"], b"".join(chunks))
        finally:
            chunks.close()


def routes() -> list[str]:
    """All routes of the URL table, with their parameters: `/data/<str:job_id>/<str:file_name>`."""
    return sorted({f"/{route}" for route in _routes(get_resolver().url_patterns)})


def paths_of_programs(example: str | None = None) -> list[str]:
    """A path for each route that programs use; `example` stands for every text in them."""
    examples = EXAMPLES if example is None else {**EXAMPLES, "str": example}
    found = [re.sub(r"<(\w+):\w+>", lambda match: examples[match[1]], route) for route in routes()]
    return [path for path in found if answers.family_of(path) is not Family.PAGES]


@contextlib.contextmanager
def _the_connection_of_the_test() -> Iterator[None]:
    """Django would close it at both ends of a request, since the test's transaction is open."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def _routes(patterns: list[URLPattern | URLResolver], before: str = "") -> Iterator[str]:
    for each in patterns:
        route = f"{before}{each.pattern}"
        if isinstance(each, URLResolver):
            yield from _routes(each.url_patterns, route)
        elif route.partition("/")[0] != "admin":  # Django's own
            yield route
