"""Files to clients: as they are stored (gzip), or inflated for those who do not take gzip."""

from collections.abc import Iterator
from typing import BinaryIO

from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase, StreamingHttpResponse
from isal import igzip

from exports import storage
from exports.models import OutputFile

CONTENT_TYPE = "application/fhir+ndjson"
BLOCK_BYTES = 256 * 1024


def respond(request: HttpRequest, file: OutputFile) -> HttpResponseBase:
    """A response with the file's NDJSON. Raises Http404 when retention has just removed it."""
    try:
        stored = storage.opened(file.job_id, file.name)
    except FileNotFoundError as error:
        raise Http404("The file is no longer there.") from error
    response: FileResponse | StreamingHttpResponse
    if accepts_gzip(request.headers.get("Accept-Encoding", "")):
        # gunicorn hands the file to the kernel (sendfile); no byte of it passes through Python.
        response = FileResponse(stored, content_type=CONTENT_TYPE)
        response["Content-Encoding"] = "gzip"
        response["Content-Length"] = str(file.stored_length)
    elif request.method == "HEAD":
        stored.close()
        response = StreamingHttpResponse(content_type=CONTENT_TYPE)
        response["Content-Length"] = str(file.raw_length)
    else:
        response = StreamingHttpResponse(_inflated(stored), content_type=CONTENT_TYPE)
        response["Content-Length"] = str(file.raw_length)
    response["Vary"] = "Accept-Encoding"
    response["Cache-Control"] = "no-store"
    return response


def accepts_gzip(accept_encoding: str) -> bool:
    """True if an Accept-Encoding header (RFC 9110, section 12.5.3) allows gzip."""
    weights: dict[str, float] = {}
    for part in accept_encoding.lower().split(","):
        coding, *parameters = (piece.strip() for piece in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip() == "q":
                try:
                    weight = float(value)
                except ValueError:
                    weight = 0.0
        weights[coding] = weight
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0))) > 0


def _inflated(stored: BinaryIO) -> Iterator[bytes]:
    with stored, igzip.IGzipFile(fileobj=stored) as inflated:  # type: ignore[no-untyped-call]  # has no types
        while block := inflated.read(BLOCK_BYTES):
            yield block
