"""A file can be fetched whole, in parts, again, and only if it is new: in either coding, with the same bytes."""

import base64
import gzip
import hashlib
import json

import pytest
from django.db import connections
from django.http import Http404
from django.test import RequestFactory

from credentials.actor import Actor
from credentials.models import AuditEvent
from credentials.trail.audit import Action
from exports import storage
from exports.api import downloads
from exports.models import OutputFile
from tests.exports.finished import finished_job
from tests.world import HOME_ADDRESS

LINES = b"".join(json.dumps({"id": str(number)}).encode() + b"\n" for number in range(50_000))
STORED = gzip.compress(LINES)
FOR_GZIP = {"Accept-Encoding": "gzip"}


@pytest.fixture
def file(world) -> OutputFile:
    return finished_job(world.roster(world.harbor, []), STORED).files.get()


def fetch(file: OutputFile, method: str = "get", *, by: Actor | None = None, saved_as: str = "", **headers: str):
    requests = RequestFactory(**{"claimsgate.client_address": HOME_ADDRESS})
    request = getattr(requests, method)("/data/7/0000.ndjson", headers=headers)
    return downloads.respond(request, file, by=by or Actor(), saved_as=saved_as)


@pytest.fixture
def behind_nginx(settings):
    exports = settings.STORAGES["exports"]
    exports["OPTIONS"] = {**exports["OPTIONS"], "x_accel_prefix": "/protected-exports/"}
    settings.STORAGES = {**settings.STORAGES, "exports": exports}


# --- Which coding ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "accept_encoding",
    [
        "gzip",
        "GZip",
        "x-gzip",
        "gzip, deflate, br",
        "deflate;q=1, gzip;q=0.001",
        "*",
        "*;q=0.1",
        "identity;q=0.5, gzip;q=0.5",
        "identity;q=0.5, gzip;q=1.0",
        "identity;q=0.5, *",
        "identity;q=0, gzip;q=0.1",
        "gzip ; q=0.2",
        "gzip;Q=1",
        "gzip;",
    ],
)
def test_a_client_that_prefers_gzip_gets_the_stored_bytes(file, accept_encoding):
    response = fetch(file, **{"Accept-Encoding": accept_encoding})

    assert response["Content-Encoding"] == "gzip"
    assert response.getvalue() == STORED
    assert response["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    "accept_encoding",
    [
        None,
        "",
        "identity",
        "br",
        "br, *;q=0, identity",
        "gzip;q=0",
        "gzip;q=0, *",
        "gzip; q=0.000",
        "identity;q=1, gzip;q=0.5",
        "gzip;q=0.5, *;q=0.6",
        "gzip;q=1.5",
        "gzip;q=nan",
        "gzip;q=-1",
        "gzip;weight=1",
        "identity;q=none",
        ",,;q=0;;",
    ],
)
def test_any_other_client_gets_plain_ndjson(file, accept_encoding):
    response = fetch(file, **({} if accept_encoding is None else {"Accept-Encoding": accept_encoding}))

    assert "Content-Encoding" not in response
    assert response.getvalue() == LINES
    assert response["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("accept_encoding", ["identity;q=0", "*;q=0", "gzip;q=0, identity;q=0", "br, *;q=0"])
def test_a_client_that_refuses_both_is_told_what_there_is(file, accept_encoding):
    response = fetch(file, **{"Accept-Encoding": accept_encoding})

    assert response.status_code == 406
    assert response["Content-Type"] == "application/fhir+json"
    assert "gzip" in json.loads(response.content)["issue"][0]["diagnostics"]
    assert response["Vary"] == "Accept-Encoding"


# --- Parts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("accepts", "content"), [("gzip", STORED), ("identity", LINES)])
@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=100-199", slice(100, 200)),
        ("bytes=5000-", slice(5000, None)),
        ("bytes=-10", slice(-10, None)),
        ("Bytes=7-8", slice(7, 9)),
        (f"bytes=9-{10**19}", slice(9, None)),
        (f"bytes=-{10**19}", slice(0, None)),
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

    assert rest.status_code == 206
    assert content[:1234] + rest.getvalue() == content


@pytest.mark.parametrize("validator", ['"another"', "Sun, 22 Nov 2026 08:00:00 GMT", "W/{etag}", "{plain}"])
def test_a_part_of_something_else_is_not_resumed(file, validator):
    etag, plain = fetch(file, **FOR_GZIP)["ETag"], fetch(file)["ETag"]

    if_range = validator.format(etag=etag, plain=plain)
    response = fetch(file, **FOR_GZIP, **{"Range": "bytes=1234-", "If-Range": if_range})

    assert response.status_code == 200
    assert response.getvalue() == STORED


@pytest.mark.parametrize(
    "asked",
    [
        "bytes=0-1,5-6",
        ",".join(["bytes=0-"] + ["0-"] * 5_000),
        "bytes=-",
        "bytes=9-3",
        "lines=1-2",
        "bytes=a-b",
        "",
        "bytes=1-2-3",
        "bytes=1 2-3",
        "bytes=٣-٤",
        f"bytes=0-{10**20}",
        f"bytes={'9' * 100_000}-",
    ],
)
def test_what_is_no_single_range_gets_the_whole(file, asked):
    response = fetch(file, **FOR_GZIP, Range=asked)

    assert response.status_code == 200
    assert response.getvalue() == STORED


@pytest.mark.parametrize("asked", [f"bytes={len(LINES)}-", f"bytes={10**18}-{10**19}", "bytes=-0"])
def test_a_range_behind_the_end_is_refused_with_the_length(file, asked):
    response = fetch(file, **{"Accept-Encoding": "identity", "Range": asked})

    assert response.status_code == 416
    assert response["Content-Range"] == f"bytes */{len(LINES)}"
    assert response.getvalue() == b""


# --- Validators and checksums ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("weak", ["", "W/"])
def test_what_the_client_has_is_not_sent_again(file, weak):
    etag = fetch(file, **FOR_GZIP)["ETag"]

    response = fetch(file, **FOR_GZIP, **{"If-None-Match": f'"other", {weak}{etag}'})

    assert response.status_code == 304
    assert response["ETag"] == etag
    assert response.getvalue() == b""


@pytest.mark.parametrize("condition", ["{etag}", '"other", {etag}', "*"])
def test_a_file_that_is_still_the_same_is_sent_on_that_condition(file, condition):
    etag = fetch(file, **FOR_GZIP)["ETag"]

    assert fetch(file, **FOR_GZIP, **{"If-Match": condition.format(etag=etag)}).getvalue() == STORED


@pytest.mark.parametrize("condition", ['"other"', "W/{etag}", "{plain}"])
def test_a_file_that_is_not_the_one_meant_is_not_sent(file, condition):
    etag, plain = fetch(file, **FOR_GZIP)["ETag"], fetch(file)["ETag"]

    response = fetch(file, **FOR_GZIP, **{"If-Match": condition.format(etag=etag, plain=plain)})

    assert response.status_code == 412
    assert response.getvalue() == b""


def test_each_coding_has_a_strong_validator_of_its_own(file):
    gzipped, plain = fetch(file, **FOR_GZIP)["ETag"], fetch(file)["ETag"]

    assert gzipped != plain
    assert not gzipped.startswith("W/")
    assert not plain.startswith("W/")


@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=5-9"}])
def test_the_stored_bytes_come_with_the_checksum_of_all_of_them(file, headers):
    response = fetch(file, **FOR_GZIP, **headers)

    sha256 = base64.b64encode(hashlib.sha256(STORED).digest()).decode()
    assert response["Repr-Digest"] == f"sha-256=:{sha256}:"
    assert response["Digest"] == f"sha-256={sha256}"
    assert "Repr-Digest" not in fetch(file)


def test_the_checksum_is_reckoned_once_a_file(file, monkeypatch):
    first = fetch(OutputFile.objects.get(pk=file.pk), **FOR_GZIP)["Repr-Digest"]
    monkeypatch.setattr(storage, "sha256", lambda *_: pytest.fail("it was reckoned again"))

    assert fetch(OutputFile.objects.get(pk=file.pk), **FOR_GZIP)["Repr-Digest"] == first


@pytest.mark.parametrize(("accepts", "length"), [("gzip", len(STORED)), ("identity", len(LINES))])
def test_head_tells_everything_but_the_bytes(file, accepts, length):
    headers = {"Accept-Encoding": accepts, "Range": "bytes=5-9"}  # which means something with GET alone
    whole = fetch(file, **{"Accept-Encoding": accepts})
    response = fetch(file, "head", **headers)

    assert response.status_code == 200
    assert int(response["Content-Length"]) == length
    assert {**whole.headers, "X-Accel-Buffering": None} == {**response.headers, "X-Accel-Buffering": None}
    assert response.getvalue() == b""


# --- Who sends it, and what is left behind --------------------------------------------------------------------------


def test_what_streams_is_not_gathered_by_a_proxy_on_its_disk(file):
    for headers in ({}, FOR_GZIP):
        assert fetch(file, **headers)["X-Accel-Buffering"] == "no"


@pytest.mark.usefixtures("behind_nginx")
@pytest.mark.parametrize("more", [{}, {"Range": "bytes=5-9"}, {"If-Range": '"other"', "Range": "bytes=5-9"}])
def test_behind_nginx_the_stored_bytes_are_left_to_it(file, more):
    response = fetch(file, **FOR_GZIP, **more, saved_as="claims.ndjson")

    assert response.status_code == 200
    assert response["X-Accel-Redirect"] == f"/protected-exports/{file.job_id}/{file.name}"
    assert response.getvalue() == b""
    assert response["Content-Encoding"] == "gzip"
    assert response["ETag"] == f'"{file.name.removesuffix(".ndjson")}-gzip"'
    assert response["Repr-Digest"]
    assert response["Content-Disposition"] == 'attachment; filename="claims.ndjson"'


@pytest.mark.usefixtures("behind_nginx")
def test_behind_nginx_we_still_answer_what_is_not_the_stored_bytes(file):
    etag = fetch(file, **FOR_GZIP)["ETag"]
    ours = [
        fetch(file),
        fetch(file, "head", **FOR_GZIP),
        fetch(file, **FOR_GZIP, **{"If-None-Match": etag}),
        fetch(file, **FOR_GZIP, **{"If-Match": '"other"'}),
        fetch(file, **FOR_GZIP, Range="bytes=99999999-"),
        fetch(file, **{"Accept-Encoding": "*;q=0"}),
    ]

    assert [response.status_code for response in ours] == [200, 200, 304, 412, 416, 406]
    assert not any("X-Accel-Redirect" in response for response in ours)
    assert ours[0].getvalue() == LINES


@pytest.mark.usefixtures("behind_nginx")
@pytest.mark.parametrize("headers", [{}, FOR_GZIP])
def test_a_file_that_retention_has_just_removed_is_not_found(file, headers):
    storage.remove_all(file.job_id)

    with pytest.raises(Http404):
        fetch(file, **headers)

    assert not AuditEvent.objects.filter(action=Action.EXPORT_DOWNLOADED).exists()


def test_a_file_is_saved_under_the_name_that_it_was_given(file):
    assert "Content-Disposition" not in fetch(file)
    assert fetch(file, saved_as="A9994.ndjson")["Content-Disposition"] == 'attachment; filename="A9994.ndjson"'
    forged = fetch(file, saved_as='x"\r\nX-Accel-Redirect: /etc/passwd')
    assert "\r" not in forged["Content-Disposition"]
    assert "X-Accel-Redirect" not in forged


@pytest.mark.parametrize("is_client", [True, False])
def test_what_goes_out_is_written_down_and_what_does_not_is_not(file, world, is_client):
    who = {"client": world.api_client().client} if is_client else {"user": world.colleague}
    by = Actor(**who, address=HOME_ADDRESS)

    sent = [fetch(file, by=by, **headers) for headers in (FOR_GZIP, {**FOR_GZIP, "Range": "bytes=1-2"})]
    unsent = [
        fetch(file, "head", by=by),
        fetch(file, by=by, **{"If-None-Match": "*"}),
        fetch(file, by=by, **{"If-Match": '"other"'}),
        fetch(file, by=by, Range="bytes=99999999-"),
        fetch(file, by=by, **{"Accept-Encoding": "*;q=0"}),
    ]

    assert [response.status_code for response in sent] == [200, 206]
    assert [response.status_code for response in unsent] == [200, 304, 412, 416, 406]
    events = AuditEvent.objects.filter(action=Action.EXPORT_DOWNLOADED)
    assert len(events) == len(sent)
    for event in events:
        assert (event.client, event.user) == (by.client, by.user)
        assert (event.organization, event.address) == (world.harbor, HOME_ADDRESS)
        assert event.detail == {"job": file.job_id, "file": file.name}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("headers", [{}, FOR_GZIP])
def test_while_a_body_goes_out_no_connection_to_the_database_is_held(file, headers):
    response = fetch(file, **headers)

    assert connections["default"].connection is None
    response.close()
    assert AuditEvent.objects.filter(action=Action.EXPORT_DOWNLOADED).exists()
