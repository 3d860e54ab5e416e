"""A file can be fetched whole, in parts, again, and only if it is new: in either coding, with the same bytes."""

import gzip
import json

import pytest
from django.test import RequestFactory

from exports import storage
from exports.api import downloads
from exports.models import Job, OutputFile

LINES = b"".join(json.dumps({"id": str(number)}).encode() + b"\n" for number in range(50_000))
STORED = gzip.compress(LINES)


@pytest.fixture
def file() -> OutputFile:
    with storage.writing(7, "0000.ndjson") as target:
        target.write(STORED)
    return OutputFile(job=Job(pk=7), name="0000.ndjson", raw_length=len(LINES), stored_length=len(STORED))


def fetch(file: OutputFile, method: str = "get", **headers: str):
    request = getattr(RequestFactory(), method)("/data/7/0000.ndjson", headers=headers)
    return downloads.respond(request, file)


@pytest.mark.parametrize(("accepts", "content"), [("gzip", STORED), ("identity", LINES)])
@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=100-199", slice(100, 200)),
        ("bytes=5000-", slice(5000, None)),
        ("bytes=-10", slice(-10, None)),
    ],
)
def test_a_part_is_sent_with_its_place(file, accepts, content, asked, part):
    response = fetch(file, **{"Accept-Encoding": accepts, "Range": asked})

    expected, (start, _, _) = content[part], part.indices(len(content))
    assert response.status_code == 206
    assert response.getvalue() == expected
    assert int(response["Content-Length"]) == len(expected)
    assert response["Content-Range"] == f"bytes {start}-{start + len(expected) - 1}/{len(content)}"
    assert response.headers.get("Content-Encoding") == ("gzip" if accepts == "gzip" else None)


@pytest.mark.parametrize("accepts", ["gzip", "identity"])
def test_a_download_that_broke_off_is_resumed_to_the_same_bytes(file, accepts):
    whole = fetch(file, **{"Accept-Encoding": accepts})
    content = whole.getvalue()

    rest = fetch(file, **{"Accept-Encoding": accepts, "Range": "bytes=1234-", "If-Range": whole["ETag"]})

    assert content[:1234] + rest.getvalue() == content


def test_a_part_of_the_other_coding_is_not_resumed(file):
    plain = fetch(file, **{"Accept-Encoding": "identity"})

    response = fetch(file, **{"Accept-Encoding": "gzip", "Range": "bytes=1234-", "If-Range": plain["ETag"]})

    assert response.status_code == 200
    assert response.getvalue() == STORED


@pytest.mark.parametrize(
    "asked", ["bytes=0-1,5-6", "bytes=-", "bytes=9-3", "lines=1-2", "bytes=a-b", "", "bytes=1-2-3"]
)
def test_what_is_no_single_range_gets_the_whole(file, asked):
    response = fetch(file, **{"Accept-Encoding": "gzip", "Range": asked})

    assert response.status_code == 200
    assert response.getvalue() == STORED


@pytest.mark.parametrize("asked", [f"bytes={len(LINES)}-", f"bytes={10**18}-{10**19}", "bytes=-0"])
def test_a_range_behind_the_end_is_refused_with_the_length(file, asked):
    response = fetch(file, **{"Accept-Encoding": "identity", "Range": asked})

    assert response.status_code == 416
    assert response["Content-Range"] == f"bytes */{len(LINES)}"
    assert response.getvalue() == b""


@pytest.mark.parametrize("weak", ["", "W/"])
def test_what_the_client_has_is_not_sent_again(file, weak):
    etag = fetch(file, **{"Accept-Encoding": "gzip"})["ETag"]

    response = fetch(file, **{"Accept-Encoding": "gzip", "If-None-Match": f'"other", {weak}{etag}'})

    assert response.status_code == 304
    assert response["ETag"] == etag
    assert response.getvalue() == b""


def test_each_coding_has_a_strong_validator_of_its_own(file):
    gzipped, plain = fetch(file, **{"Accept-Encoding": "gzip"})["ETag"], fetch(file)["ETag"]

    assert gzipped != plain
    assert not gzipped.startswith("W/")
    assert not plain.startswith("W/")


@pytest.mark.parametrize(("accepts", "length"), [("gzip", len(STORED)), ("identity", len(LINES))])
def test_head_tells_everything_but_the_bytes(file, accepts, length):
    response = fetch(file, "head", **{"Accept-Encoding": accepts})

    assert response.status_code == 200
    assert int(response["Content-Length"]) == length
    assert response["Accept-Ranges"] == "bytes"
    assert response.getvalue() == b""
