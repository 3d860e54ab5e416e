"""The manifest of a finished job, as in the Bulk Data IG and BCDA."""

from collections.abc import Callable
from typing import Any

from exports.models import Job, OutputFile, Shard


def manifest(job: Job, *, url_of: Callable[[OutputFile], str]) -> dict[str, Any]:
    """Return the manifest of a completed job; `url_of` returns a file's absolute URL. The key order is BCDA's."""
    assert job.transaction_time is not None  # noqa: S101  # set when the job was planned
    files = list(job.files.select_related("shard"))
    output = [_entry(file, file.resource_type, url_of) for file in files if file.shard.kind == Shard.Kind.OUTPUT]
    deleted = [_entry(file, "Bundle", url_of) for file in files if file.shard.kind == Shard.Kind.DELETED]
    error = [_entry(file, "OperationOutcome", url_of) for file in files if file.shard.kind == Shard.Kind.ERROR]
    return {
        "transactionTime": job.transaction_time.isoformat().replace("+00:00", "Z"),
        "request": job.request_url,
        "requiresAccessToken": True,
        "output": output,
        # BCDA has no such key, so it is there only if something was removed.
        **({"deleted": deleted} if deleted else {}),
        "error": error,
        "JobID": job.pk,
    }


def _entry(file: OutputFile, type_: str, url_of: Callable[[OutputFile], str]) -> dict[str, Any]:
    return {"type": type_, "url": url_of(file), "count": file.resource_count}
