"""Export files on S3: what is uploaded and when, what a killed worker leaves, encryption, and signed URLs."""

import gzip
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from django.conf import settings
from django.test import override_settings

from exports import storage
from exports.storage import s3
from tests.ports import free_port
from tests.s3 import CREDENTIALS, S3Server, s3_server

NAME = "00000000-0000-4000-8000-000000000000.ndjson"
LINES = b'{"resourceType": "Patient"}\n' * 1000


@pytest.fixture(scope="module")
def server():
    with s3_server() as it:
        yield it


@pytest.fixture
def on_s3(server, settings, monkeypatch):
    """Puts the exports there, with options."""
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)

    def choose(**options) -> S3Server:
        settings.STORAGES = {**settings.STORAGES, "exports": server.storage(**options)}
        return server

    yield choose
    storage.remove_all(7)


def write(content: bytes = LINES) -> None:
    with storage.writing(7, NAME) as file:
        file.write(gzip.compress(content))


@pytest.mark.parametrize(("prefix", "key"), [("", f"7/{NAME}"), ("claims/gate", f"claims/gate/7/{NAME}")])
def test_an_object_has_the_jobs_number_and_the_files_name_under_the_prefix(on_s3, prefix, key):
    server = on_s3(location=prefix)

    write()

    assert server.stored_keys() == [key]


def test_an_object_says_itself_what_it_is(on_s3):
    server = on_s3()

    write()

    told = server.client.head_object(Bucket=server.bucket, Key=f"7/{NAME}")
    assert (told["ContentType"], told["ContentEncoding"]) == ("application/fhir+ndjson", "gzip")
    assert told["CacheControl"] == "private, no-cache"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"encryption": "AES256"}, ("AES256", None)),
        ({"encryption": "aws:kms", "kms_key_id": "a-key"}, ("aws:kms", "a-key")),
    ],
)
def test_an_object_is_encrypted_as_the_settings_say(on_s3, options, told):
    server = on_s3(**options)

    write()

    head = server.client.head_object(Bucket=server.bucket, Key=f"7/{NAME}")
    assert head["ServerSideEncryption"] == told[0]
    assert told[1] is None or told[1] in head["SSEKMSKeyId"]


def test_nothing_is_uploaded_before_the_file_is_whole(on_s3):
    server = on_s3()

    with pytest.raises(RuntimeError), storage.writing(7, NAME) as file:
        file.write(bytes(20 << 20))
        raise RuntimeError

    assert server.stored_keys() == []
    assert "Uploads" not in server.client.list_multipart_uploads(Bucket=server.bucket)


def test_an_upload_that_a_killed_worker_began_goes_with_its_job(on_s3):
    server = on_s3(location="gate")
    for key in (f"gate/7/{NAME}", f"gate/71/{NAME}"):
        begun = server.client.create_multipart_upload(Bucket=server.bucket, Key=key)
        server.client.upload_part(
            Bucket=server.bucket, Key=key, UploadId=begun["UploadId"], PartNumber=1, Body=bytes(5 << 20)
        )

    storage.remove_all(7)

    left = server.client.list_multipart_uploads(Bucket=server.bucket)["Uploads"]
    assert [upload["Key"] for upload in left] == [f"gate/71/{NAME}"]


def test_more_objects_than_one_listing_holds_are_settled_and_removed(on_s3):
    server = on_s3()
    names = [f"{number}.ndjson" for number in range(5)]
    for name in names:
        server.client.put_object(Bucket=server.bucket, Key=f"7/{name}", Body=b"x")
    its_client = storage.storages["exports"]._client
    its_client.meta.events.register(
        "provide-client-params.s3.ListObjectsV2", lambda params, **_: {**params, "MaxKeys": 2}
    )

    wrong = storage.settle(7, {**dict.fromkeys(names, 1), names[-1]: 2})
    storage.remove_all(7)

    assert wrong == [names[-1]]
    assert server.stored_keys() == []


def test_a_bucket_that_is_not_there_is_not_taken_for_a_missing_file(on_s3):
    on_s3(bucket_name="no-such-bucket")

    with pytest.raises(ClientError, match="NoSuchBucket"):
        storage.opened(7, NAME)

    on_s3()


def test_without_the_setting_nobody_is_sent_to_s3(on_s3):
    on_s3()
    write()

    assert storage.sent_by_another(7, NAME) is None


def test_a_signed_url_gives_the_file_with_its_headers_and_nothing_else(on_s3):
    on_s3(redirect_seconds=60)
    write()

    headers = storage.sent_by_another(7, NAME, saved_as="Zürich 1.ndjson")

    answer = httpx.get(headers["Location"])
    assert answer.content == LINES
    assert answer.headers["Content-Type"] == "application/fhir+ndjson"
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Content-Disposition"] == "attachment; filename*=utf-8''Z%C3%BCrich%201.ndjson"
    signed = parse_qs(urlsplit(headers["Location"]).query)
    assert signed["X-Amz-Expires"] == ["60"]
    assert signed["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert signed["X-Amz-SignedHeaders"] == ["host"]


def test_a_signed_url_gives_a_part_too(on_s3):
    on_s3(redirect_seconds=60)
    write()

    url = storage.sent_by_another(7, NAME)["Location"]

    with httpx.stream("GET", url, headers={"Range": "bytes=10-19"}) as answer:
        part = b"".join(answer.iter_raw())
    assert answer.status_code == 206
    assert part == storage.opened(7, NAME, range(10, 20)).read()


def test_while_s3_is_out_of_reach_a_file_is_not_taken_to_be_missing(on_s3, monkeypatch):
    server = on_s3()
    write()
    broken = server.storage()
    broken["OPTIONS"]["endpoint_url"] = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setattr(s3, "CONNECTIONS", s3.CONNECTIONS.merge(Config(retries={"max_attempts": 1})))
    with override_settings(STORAGES={**settings.STORAGES, "exports": broken}):
        for ask in (storage.opened, storage.sha256):
            with pytest.raises(OSError, match="S3 does not answer"):
                ask(7, NAME)
