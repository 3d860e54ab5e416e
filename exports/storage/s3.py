"""Export files on S3 or a compatible server, through django-storages.

A file is written to a temporary file without a name, and uploaded when it is complete. Streaming it would save disk
space, but it would keep PostgreSQL's COPY open, with a connection and a snapshot, for as long as the network is slow,
and upload files that fail at the end. An object appears only when its upload is complete.
"""

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, BinaryIO, Self, cast

from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError
from django.conf import settings
from django.utils.functional import cached_property
from django.utils.http import content_disposition_header
from storages.backends.s3 import S3Storage  # type: ignore[import-untyped]  # has no types

from exports.storage.base import path_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# S3's headers for a file, for clients that we redirect there.
HEADERS = {
    "ContentType": "application/fhir+ndjson",
    "ContentEncoding": "gzip",
    "CacheControl": "private, no-cache",
}
PART_BYTES = 8 << 20
# An upload holds four parts in memory at a time.
TRANSFER = TransferConfig(multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, max_concurrency=3)
TRANSFER.max_in_memory_upload_chunks = 4
# As many connections as a server has threads. Signed URLs are version 4, which all regions accept.
CONNECTIONS = Config(
    signature_version="s3v4",
    max_pool_connections=64,
    connect_timeout=10,
    read_timeout=60,
    retries={"mode": "standard", "max_attempts": 4},
)


class S3Files(S3Storage):  # type: ignore[misc]  # has no types
    """A prefix for each job."""

    def __init__(
        self, *, encryption: str = "", kms_key_id: str = "", redirect_seconds: int = 0, **options: Any
    ) -> None:
        super().__init__(client_config=CONNECTIONS, **options)
        self._encryption = {"ServerSideEncryption": encryption} if encryption else {}
        if kms_key_id:
            self._encryption["SSEKMSKeyId"] = kms_key_id
        self._redirect_seconds = redirect_seconds

    def get_default_settings(self) -> dict[str, Any]:
        """boto3 finds the credentials: the environment, a profile, the machine's role."""
        defaults: dict[str, Any] = super().get_default_settings()
        return defaults | {"access_key": None, "secret_key": None, "security_token": None, "session_profile": None}

    @contextlib.contextmanager
    def writing(self, job_id: int, name: str) -> Iterator[BinaryIO]:
        key = self._key(job_id, name)
        with tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR) as file:
            yield file
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            told = {**HEADERS, **self._encryption, "Metadata": {"sha256": sha256}}
            self._client.upload_fileobj(file, self.bucket_name, key, ExtraArgs=told, Config=TRANSFER)

    def opened(self, job_id: int, name: str, part: range | None = None) -> BinaryIO:
        wanted: dict[str, Any] = {} if part is None else {"Range": f"bytes={part.start}-{part.stop - 1}"}
        with _as_errors_of_files():
            answer = self._client.get_object(Bucket=self.bucket_name, Key=self._key(job_id, name), **wanted)
        return cast("BinaryIO", _Stream(answer["Body"]))

    def sha256(self, job_id: int, name: str) -> str:
        with _as_errors_of_files():
            head = self._client.head_object(Bucket=self.bucket_name, Key=self._key(job_id, name))
        return head["Metadata"]["sha256"]

    def settle(self, job_id: int, lengths: Mapping[str, int]) -> list[str]:
        """What S3 has confirmed is safe. This only looks."""
        stored = dict(self._stored(job_id)) if lengths else {}
        return [name for name, length in lengths.items() if stored.get(self._key(job_id, name)) != length]

    def remove(self, job_id: int, name: str) -> None:
        self._client.delete_object(Bucket=self.bucket_name, Key=self._key(job_id, name))

    def remove_all(self, job_id: int) -> None:
        """Return the objects, and the parts of unfinished uploads, which a listing of objects does not show."""
        uploads = self._client.get_paginator("list_multipart_uploads")
        for page in uploads.paginate(Bucket=self.bucket_name, Prefix=self._prefix(job_id)):
            for upload in page.get("Uploads", []):
                self._client.abort_multipart_upload(
                    Bucket=self.bucket_name, Key=upload["Key"], UploadId=upload["UploadId"]
                )
        for key, _length in self._stored(job_id):
            self._client.delete_object(Bucket=self.bucket_name, Key=key)

    def sent_by_another(self, job_id: int, name: str, *, saved_as: str) -> Mapping[str, str] | None:
        """Let S3 send the file, to anyone who has the URL, for a short while."""
        key = self._key(job_id, name)
        if not self._redirect_seconds:
            return None
        wanted: dict[str, str] = {"Bucket": self.bucket_name, "Key": key}
        if saved_as:
            wanted["ResponseContentDisposition"] = content_disposition_header(True, saved_as) or "attachment"
        url = self._client.generate_presigned_url("get_object", Params=wanted, ExpiresIn=self._redirect_seconds)
        return {"Location": url}

    @cached_property
    def _client(self) -> "S3Client":
        """One client for all threads, because making one takes a tenth of a second."""
        return cast("S3Client", self.connection.meta.client)

    def _stored(self, job_id: int) -> Iterator[tuple[str, int]]:
        """Return keys and lengths of a job's objects."""
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self.bucket_name, Prefix=self._prefix(job_id)):
            for stored in page.get("Contents", []):
                yield stored["Key"], stored["Size"]

    def _key(self, job_id: int, name: str) -> str:
        return f"{self._root}{path_of(job_id, name)}"

    def _prefix(self, job_id: int) -> str:
        return f"{self._root}{job_id:d}/"

    @property
    def _root(self) -> str:
        return f"{self.location.strip('/')}/".lstrip("/")


class _Stream:
    """A body that S3 is sending, as a file to read from the front."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def read(self, size: int = -1) -> bytes:
        return cast("bytes", self._body.read(None if size < 0 else size))

    def readinto(self, buffer: memoryview) -> int:
        block = self.read(len(buffer))
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self._body.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


@contextlib.contextmanager
def _as_errors_of_files() -> Iterator[None]:
    """Raise what a disk would: FileNotFoundError, and OSError while S3 is down or overloaded."""
    try:
        yield
    except (HTTPClientError, NoConnectionError) as error:
        raise OSError("S3 does not answer.") from error
    except ClientError as error:
        # An answer to HEAD has no body, only the status.
        if error.response["Error"]["Code"] in {"NoSuchKey", "404"}:
            raise FileNotFoundError("S3 has no such object.") from error
        if error.response["ResponseMetadata"]["HTTPStatusCode"] >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise OSError("S3 can't answer right now.") from error
        raise
