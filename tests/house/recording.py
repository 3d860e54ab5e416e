"""What a server answers, written down so that two recordings can be compared line by line."""

import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.http import HttpResponseBase
from django.urls import URLPattern, URLResolver

FOLDER = Path(__file__).parent / "recorded"
# Written anew by `make record`; read the difference before committing it.
IS_RECORDING = os.environ.get("CLAIMSGATE_RECORD") == "1"

HEADERS_THAT_MATTER = (
    *("Content-Type", "Content-Encoding", "Content-Disposition", "Accept-Ranges", "Allow", "WWW-Authenticate"),
    *("Location", "Content-Location", "Retry-After", "X-Progress", "Cache-Control", "Pragma", "Vary"),
)
# They change with every call: that they are there is what counts.
HEADERS_THAT_ARE_THERE = ("ETag", "Expires", "Last-Modified", "X-Request-Id")
# What a client reads or compares, word for word; of everything else the type is kept.
WORDS_THAT_MATTER = {
    *("resourceType", "severity", "code", "system", "display", "text", "diagnostics", "issueType"),
    *("error", "error_description", "token_type", "expires_in", "scope", "type", "method"),
}
_CHANGING = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<uuid>"),
    (re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})"), "<time>"),
    (re.compile(r"(?<=/)\d+(?=/|$|\s)|(?<=xport )\d+|(?<=Person )\d+"), "<number>"),
)


def patterns(table: Iterable[URLPattern | URLResolver], before: str = "/") -> Iterator[tuple[str, URLPattern]]:
    """Every route of a URL table with its pattern, in order: `/api/v2/jobs/<str:job_id>`."""
    for each in table:
        route = before + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from patterns(each.url_patterns, route)
        else:
            yield route, each


def masked(text: str) -> str:
    """The text without what is another one at every run."""
    for changing, name in _CHANGING:
        text = changing.sub(name, text)
    return text


def lines_of(response: HttpResponseBase) -> Iterator[str]:
    """Status, headers that matter, and the shape of the body."""
    yield f"  {response.status_code}"
    for name in HEADERS_THAT_MATTER:
        if name in response.headers:
            yield f"  {name}: {masked(response.headers[name])}"
    present = [name for name in HEADERS_THAT_ARE_THERE if name in response.headers]
    if present:
        yield f"  with {', '.join(present)}"
    body = _body(response)
    if not body:
        yield "  no body"
    elif "json" in response.headers.get("Content-Type", "") and "ndjson" not in response.headers["Content-Type"]:
        yield "  " + json.dumps(_shape(json.loads(body)), ensure_ascii=False)
    elif "html" in response.headers.get("Content-Type", ""):
        yield f"  page: {title_of(body)}"
    else:
        yield f"  {'gzip' if body[:2] == bytes([0x1F, 0x8B]) else 'text'}"


def title_of(page: bytes) -> str:
    """The title of a page of HTML."""
    found = re.search(r"<title>(.*?)</title>", page.decode(), re.DOTALL)
    return masked(" ".join(found[1].split())) if found else "without a title"


def compare(name: str, recorded: Iterable[str]) -> None:
    """Fail where the lines are not those of the file; when recording, write the file."""
    path = FOLDER / name
    now = "".join(f"{line}\n" for line in recorded)
    if IS_RECORDING:
        path.write_text(now)
    assert now.splitlines() == path.read_text().splitlines(), "If this is what you want: `make record`."


def _body(response: HttpResponseBase) -> bytes:
    streaming = getattr(response, "streaming_content", None)
    return b"".join(streaming) if streaming is not None else bytes(response.content)  # type: ignore[attr-defined]


def _shape(value: Any, key: str = "") -> Any:
    """The value with types for values, but for the words that matter. Items of a list that are alike stand once."""
    if isinstance(value, dict):
        return {name: _shape(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        shapes = [_shape(inner, key) for inner in value]
        return [shape for place, shape in enumerate(shapes) if shape not in shapes[:place]]
    if key in WORDS_THAT_MATTER and value is not None:
        return masked(str(value))
    return {str: "text", int: "number", float: "number", bool: "true or false", type(None): None}[type(value)]
