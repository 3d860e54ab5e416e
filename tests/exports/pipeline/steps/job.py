"""A job, as these tests make it, and its files on the disk."""

from pathlib import Path

from exports import storage
from exports.models import Job
from tests.exports.store import arrival

GROUP = Job.Scope.GROUP_ALL


def eob(number: int):
    return arrival("ExplanationOfBenefit", f"e-{number}")


def files_of(job: Job) -> list:
    folder = Path(storage.storages["exports"].path(str(job.pk)))
    return sorted(folder.iterdir()) if folder.exists() else []
