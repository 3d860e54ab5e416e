"""A server process that speaks S3, for the tests."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import boto3
from django.conf import settings

from tests.ports import free_port

REGION = "us-east-1"
# What boto3 finds in the environment; the server takes any.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "a-key-for-tests",
    "AWS_SECRET_ACCESS_KEY": "a-secret-for-tests",
    "AWS_DEFAULT_REGION": REGION,
}
PATIENCE_SECONDS = 60


class S3Server:
    """A running server with one bucket."""

    bucket = "exports"

    def __init__(self, port: int) -> None:
        self.endpoint_url = f"http://127.0.0.1:{port}"
        self.client = boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name=REGION,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        )
        self.client.create_bucket(Bucket=self.bucket)

    def environment(self) -> dict[str, str]:
        """Claimsgate's settings, as a process reads them."""
        return {**CREDENTIALS, "EXPORTS_S3_BUCKET": self.bucket, "EXPORTS_S3_ENDPOINT_URL": self.endpoint_url}

    def storage(self, **options: Any) -> dict[str, Any]:
        """The same as STORAGES["exports"]."""
        ours = {"bucket_name": self.bucket, "endpoint_url": self.endpoint_url, "region_name": REGION}
        return {"BACKEND": "exports.storage.s3.S3Files", "OPTIONS": ours | options}

    def stored_keys(self) -> list[str]:
        return [stored["Key"] for stored in self.client.list_objects_v2(Bucket=self.bucket).get("Contents", [])]


@contextlib.contextmanager
def s3_server() -> Iterator[S3Server]:
    """The server, for as long as the block."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        cwd=settings.BASE_DIR,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_up(process, port)
        yield S3Server(port)
    finally:
        process.terminate()
        process.wait()


def _wait_until_up(process: "subprocess.Popen[bytes]", port: int) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, "the S3 server ended"
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(f"The S3 server did not answer within {PATIENCE_SECONDS} s.")
