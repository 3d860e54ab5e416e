"""Sends files to clients: as stored (gzip), or decompressed for clients that don't accept gzip; whole or in part, to
resume (RFC 9110, sections 12.5.3, 13 and 14), with a checksum of the stored bytes (RFC 9530).
"""

import base64
import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from django.conf import settings
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.http import content_disposition_header
from isal import igzip

from attribution.cohorts import Population
from attribution.consent.opt_outs import Asked
from credentials import database
from credentials.actor import Actor
from credentials.trail import audit
from exports import storage
from exports.api import outcomes
from exports.models import OutputFile

CONTENT_TYPE = "application/fhir+ndjson"
BLOCK_BYTES = 256 * 1024

# No file has more bytes than twenty digits can count.
_RANGE = re.compile(r"bytes=(\d{0,20})-(\d{0,20})", re.ASCII | re.IGNORECASE)
_WEIGHT = re.compile(r"q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)", re.ASCII | re.IGNORECASE)


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


class FilesOutOfReachError(RuntimeError):
    """The disk or S3 does not answer right now. The file is assumed to exist."""


class OptedOutError(Exception):
    """Since the file was written, a beneficiary in it has opted out, and the setting says to look."""

    def __init__(self) -> None:
        super().__init__(
            "This file is no longer available, because preferences about data sharing have changed since it was "
            "written. Start a new export."
        )


class UnsatisfiableRangeError(ValueError):
    """The range begins after the end of the file."""


class NotAcceptableError(ValueError):
    """The client accepts neither gzip nor identity."""


def respond(request: HttpRequest, file: OutputFile, *, by: Actor, saved_as: str = "") -> HttpResponseBase:
    """Return a response with the file's NDJSON: 200, 206, 302, 304, 406, 412 or 416.

    Downloads are recorded. Raises Http404 if retention has just removed the file, OptedOutError and
    FilesOutOfReachError.
    """
    if settings.OPT_OUTS_CHECKED_AT_DOWNLOAD and _has_opted_out(file):
        raise OptedOutError
    # S3 can be slow, and the body of a slow client can take an hour.
    database.give_back()
    try:
        response = _response(request, file, saved_as)
    except FileNotFoundError as error:
        raise Http404("The file is no longer there.") from error
    except OSError as error:
        raise FilesOutOfReachError(str(error)) from error
    if request.method == "GET" and response.status_code in {200, 206, 302}:
        _write_down(file, by)
    database.give_back()
    return response


def _has_opted_out(file: OutputFile) -> bool:
    """Return whether the file has a beneficiary who has opted out since it was written. In doubt, it has."""
    shard = file.shard
    asked = Asked(shard.asked_change_id or 0, shard.asked_on or dt.date.min)
    cohort = file.job.cohort.narrowed_to(Population(shard.population))
    return cohort.has_opted_out_since(asked, shard.first_beneficiary_id, shard.last_beneficiary_id)


def takes_gzip(accept_encoding: str) -> bool:
    """Return whether gzip or plain NDJSON fits an Accept-Encoding header better (RFC 9110, section 12.5.3).

    If the header does not name gzip, the client gets plain NDJSON. Raises NotAcceptableError if it refuses both.
    """
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        coding, _, parameter = (piece.strip() for piece in part.partition(";"))
        weight = _WEIGHT.fullmatch(parameter or "q=1")
        if weight is not None:  # ignore what is not valid
            weights[coding] = float(weight[1])
    anything = weights.get("*")
    gzip = weights.get("gzip", weights.get("x-gzip", anything or 0))
    # Identity is acceptable unless it is refused. It comes after everything that the header names.
    plain = weights.get("identity", anything)
    if gzip == 0 and plain == 0:
        raise NotAcceptableError
    return gzip > 0 and gzip >= (plain or 0)


def _response(request: HttpRequest, file: OutputFile, saved_as: str) -> HttpResponseBase:
    try:
        represented = _Representation.of(file, is_gzip=takes_gzip(request.headers.get("Accept-Encoding", "")))
    except NotAcceptableError:
        diagnostics = "Accept-Encoding refuses both available codings: gzip and identity. Accept one of them."
        return _varying(outcomes.response(request, "not-supported", 406, diagnostics))
    if (status := _failed_precondition(request, represented)) is not None:
        return _with_validator(_bodiless(status), represented)
    try:
        wanted = _wanted(request, represented)
    except UnsatisfiableRangeError:
        refused = _bodiless(416)
        refused["Content-Range"] = f"bytes */{represented.length}"
        return _with_validator(refused, represented)
    headers = _headers(file, represented, saved_as)
    if request.method == "GET" and represented.is_gzip:
        elsewhere = storage.sent_by_another(file.job_id, file.name, saved_as=saved_as)
        if elsewhere is not None:
            return _left_to_another(elsewhere, headers, represented)
    part = range(represented.length) if wanted is None else wanted
    headers |= {"Accept-Ranges": "bytes", "Content-Length": str(len(part))}
    if wanted is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{represented.length}"
    response = _body(request, file, represented, part)
    response.status_code = 200 if wanted is None else 206
    for name, value in headers.items():
        response[name] = value
    return _with_validator(response, represented)


def _left_to_another(
    elsewhere: Mapping[str, str], headers: Mapping[str, str], represented: _Representation
) -> HttpResponseBase:
    """Let another server send the file or the requested part of it."""
    if "Location" in elsewhere:
        # Anyone with the URL can download the file for a while: it is for this client, and for now.
        return _varying(HttpResponse(status=302, headers={**elsewhere, "Cache-Control": "no-store"}))
    return _with_validator(HttpResponse(headers={**headers, **elsewhere}), represented)


def _failed_precondition(request: HttpRequest, represented: _Representation) -> int | None:
    """Return the status for a precondition that is not met, or None."""
    if not _names(request.headers.get("If-Match", "*"), represented.etag):
        return 412
    # A weak validator of ours would name the same bytes.
    if _names(request.headers.get("If-None-Match", "").replace("W/", ""), represented.etag):
        return 304
    return None


def _wanted(request: HttpRequest, represented: _Representation) -> range | None:
    """Return the requested bytes; None for all of them. Raises UnsatisfiableRangeError."""
    asked = _RANGE.fullmatch(request.headers.get("Range", "").strip())
    if_range = request.headers.get("If-Range")
    # Several ranges at once, or the rest of a file that the client does not have: it gets the whole file.
    if request.method != "GET" or asked is None or (if_range is not None and if_range != represented.etag):
        return None
    first, last, length = asked[1], asked[2], represented.length
    if not (first or last) or (first and last and int(last) < int(first)):
        return None
    if not first:
        start, stop = max(0, length - int(last)), length
    else:
        start, stop = int(first), min(length, int(last) + 1) if last else length
    if start >= stop:
        raise UnsatisfiableRangeError
    return range(start, stop)


def _body(request: HttpRequest, file: OutputFile, represented: _Representation, wanted: range) -> HttpResponseBase:
    if request.method == "HEAD":
        return HttpResponse()
    # nginx would store what we send faster than the client reads it on its disk, where no PHI belongs.
    headers = {"X-Accel-Buffering": "no"}
    if not represented.is_gzip:
        return StreamingHttpResponse(_Inflated(storage.opened(file.job_id, file.name), wanted), headers=headers)
    # gunicorn sends a local file with sendfile. No byte of it passes through Python.
    response = FileResponse(storage.opened(file.job_id, file.name, wanted), headers=headers)
    response.block_size = BLOCK_BYTES
    return response


def _bodiless(status: int) -> HttpResponse:
    """Return 304, 412 or 416 without a body: clients that resume must not append an error to their file."""
    response = HttpResponse(status=status)
    del response["Content-Type"]
    return response


def _headers(file: OutputFile, represented: _Representation, saved_as: str) -> dict[str, str]:
    headers = {"Content-Type": CONTENT_TYPE}
    if represented.is_gzip:
        digest = base64.b64encode(bytes.fromhex(_sha256(file))).decode()
        # Before RFC 9530, the checksum had another name.
        headers |= {"Content-Encoding": "gzip", "Repr-Digest": f"sha-256=:{digest}:", "Digest": f"sha-256={digest}"}
    if saved_as:
        headers["Content-Disposition"] = content_disposition_header(True, saved_as) or "attachment"
    return headers


def _with_validator(response: HttpResponseBase, represented: _Representation) -> HttpResponseBase:
    response["ETag"] = represented.etag
    # A client can keep its copy, but must ask before it uses it again.
    response["Cache-Control"] = "private, no-cache"
    return _varying(response)


def _varying(response: HttpResponseBase) -> HttpResponseBase:
    response["Vary"] = "Accept-Encoding"
    return response


def _names(header: str, etag: str) -> bool:
    return header.strip() == "*" or etag in (part.strip() for part in header.split(","))


def _sha256(file: OutputFile) -> str:
    """Return the checksum of a file, which is computed when it is first needed."""
    if not file.sha256:
        file.sha256 = storage.sha256(file.job_id, file.name)
        OutputFile.objects.filter(pk=file.pk).update(sha256=file.sha256)
        database.give_back()
    return file.sha256


def _write_down(file: OutputFile, by: Actor) -> None:
    audit.record(
        audit.Action.EXPORT_DOWNLOADED,
        by,
        organization=file.job.organization,
        job=file.job_id,
        file=file.name,
    )


class _Inflated:
    """Yield a part of the NDJSON of a stored file, block by block."""

    def __init__(self, stored: BinaryIO, part: range) -> None:
        self._stored = stored
        self._part = part

    def __iter__(self) -> Iterator[bytes]:
        inflated = igzip.IGzipFile(fileobj=self._stored)  # type: ignore[no-untyped-call]  # has no types
        # No seek: S3 can't, and everything before must be decompressed anyway.
        before = self._part.start
        while before and (skipped := inflated.read(min(BLOCK_BYTES, before))):
            before -= len(skipped)
        left = len(self._part)
        while left and (block := inflated.read(min(BLOCK_BYTES, left))):
            left -= len(block)
            yield block

    def close(self) -> None:
        self._stored.close()
