"""Files to clients: as they are stored (gzip), or inflated for those who do not take gzip; whole, or from where they
broke off (RFC 9110, sections 13 and 14).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from isal import igzip

from exports import storage
from exports.models import OutputFile

CONTENT_TYPE = "application/fhir+ndjson"
BLOCK_BYTES = 256 * 1024

# No file has more bytes than twenty digits say.
_RANGE = re.compile(r"bytes=(\d{0,20})-(\d{0,20})", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Representation:
    """A file in one content coding. Files never change, so its name is a strong validator."""

    is_gzip: bool
    length: int
    etag: str

    @classmethod
    def of(cls, file: OutputFile, *, is_gzip: bool) -> "_Representation":
        name = file.name.removesuffix(".ndjson")
        return cls(True, file.stored_length, f'"{name}-gzip"') if is_gzip else cls(False, file.raw_length, f'"{name}"')


class UnsatisfiableRangeError(ValueError):
    """The range begins behind the end of the file."""


def respond(request: HttpRequest, file: OutputFile) -> HttpResponseBase:
    """A response with the file's NDJSON: 200, 206, 304 or 416. Raises Http404 when retention has just removed it."""
    represented = _Representation.of(file, is_gzip=accepts_gzip(request.headers.get("Accept-Encoding", "")))
    if _names(request.headers.get("If-None-Match", ""), represented.etag):
        return _with_headers(HttpResponse(status=304), represented)
    try:
        wanted = _wanted(request, represented)
    except UnsatisfiableRangeError:
        refused = HttpResponse(status=416, headers={"Content-Range": f"bytes */{represented.length}"})
        return _with_headers(refused, represented)
    response = _body(request, file, represented, wanted or range(represented.length))
    response["Content-Type"] = CONTENT_TYPE
    if wanted is not None:
        response.status_code = 206
        response["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{represented.length}"
    return _with_headers(response, represented)


def accepts_gzip(accept_encoding: str) -> bool:
    """True if an Accept-Encoding header (RFC 9110, section 12.5.3) allows gzip."""
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        coding, *parameters = (piece.strip() for piece in part.split(";"))
        weights[coding] = min((_weight(parameter) for parameter in parameters), default=1.0)
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def _weight(parameter: str) -> float:
    name, _, value = parameter.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


def _wanted(request: HttpRequest, represented: _Representation) -> range | None:
    """The bytes that are asked for; None for all of them. Raises UnsatisfiableRangeError."""
    asked = _RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    if_range = request.headers.get("If-Range")
    # Several ranges at once, or the rest of something that the client does not have: it gets the whole.
    if asked is None or asked.group(0) == "bytes=-" or (if_range is not None and if_range != represented.etag):
        return None
    first, last, length = asked[1], asked[2], represented.length
    if not first:
        start, stop = max(0, length - int(last)), length
    else:
        start, stop = int(first), min(length, int(last) + 1) if last else length
    if last and first and int(last) < int(first):
        return None
    if start >= stop:
        raise UnsatisfiableRangeError
    return range(start, stop)


def _body(request: HttpRequest, file: OutputFile, represented: _Representation, wanted: range) -> HttpResponseBase:
    try:
        stored = storage.opened(file.job_id, file.name)
    except FileNotFoundError as error:
        raise Http404("The file is no longer there.") from error
    response: HttpResponseBase
    if request.method == "HEAD":
        stored.close()
        response = HttpResponse()
    elif represented.is_gzip:
        # gunicorn hands the file to the kernel (sendfile); no byte of it passes through Python.
        response = FileResponse(cast("BinaryIO", _Slice(stored, wanted)))
    else:
        response = StreamingHttpResponse(_inflated(stored, wanted))
    response["Content-Length"] = str(len(wanted))
    return response


def _with_headers(response: HttpResponseBase, represented: _Representation) -> HttpResponseBase:
    if represented.is_gzip and response.status_code in {200, 206}:
        response["Content-Encoding"] = "gzip"
    response["ETag"] = represented.etag
    response["Accept-Ranges"] = "bytes"
    response["Vary"] = "Accept-Encoding"
    # A client may keep what it has, but asks before it uses it again.
    response["Cache-Control"] = "private, no-cache"
    return response


def _names(header: str, etag: str) -> bool:
    return header.strip() == "*" or etag in (part.strip().removeprefix("W/") for part in header.split(","))


class _Slice:
    """A part of an open file, as a file: to be read, or to be sent by the kernel from its position on."""

    def __init__(self, file: BinaryIO, wanted: range) -> None:
        self._file = file
        self._left = len(wanted)
        file.seek(wanted.start)

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(block)
        return block

    def tell(self) -> int:
        return self._file.tell()

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()


def _inflated(stored: BinaryIO, wanted: range) -> Iterator[bytes]:
    with stored, igzip.IGzipFile(fileobj=stored) as inflated:  # type: ignore[no-untyped-call]  # has no types
        inflated.seek(wanted.start)  # type: ignore[no-untyped-call]  # has no types
        left = len(wanted)
        while left and (block := inflated.read(min(BLOCK_BYTES, left))):
            left -= len(block)
            yield block
