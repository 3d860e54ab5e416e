"""The manifest of a finished job, as the Bulk Data IG and BCDA have it."""

from collections.abc import Callable
from typing import Any

from exports.models import Job, OutputFile


def manifest(job: Job, *, url_of: Callable[[OutputFile], str]) -> dict[str, Any]:
    """The manifest of a completed job; `url_of` gives a file's absolute URL. `JobID` and the key order are BCDA's."""
    assert job.transaction_time is not None  # noqa: S101  # set when the job was planned
    return {
        "transactionTime": job.transaction_time.isoformat().replace("+00:00", "Z"),
        "request": job.request_url,
        "requiresAccessToken": True,
        "output": [
            {"type": file.resource_type, "url": url_of(file), "count": file.resource_count} for file in job.files.all()
        ],
        "error": [],
        "JobID": job.pk,
    }
