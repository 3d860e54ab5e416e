"""The Protocol of storages for export files, and how files are named there."""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

from django.core.exceptions import SuspiciousFileOperation

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)


class ExportFiles(Protocol):
    """A storage for export files: a file beside this one, whose class is also the backend of STORAGES["exports"].

    Each method does what the function of the same name in this package says.
    """

    def writing(self, job_id: int, name: str) -> AbstractContextManager[BinaryIO]: ...

    def opened(self, job_id: int, name: str, part: range | None) -> BinaryIO: ...

    def sha256(self, job_id: int, name: str) -> str: ...

    def settle(self, job_id: int, lengths: Mapping[str, int]) -> list[str]: ...

    def remove(self, job_id: int, name: str) -> None: ...

    def remove_all(self, job_id: int) -> None: ...

    def sent_by_another(self, job_id: int, name: str, *, saved_as: str) -> Mapping[str, str] | None: ...


def path_of(job_id: int, name: str) -> str:
    """Return the path of a job's file in the storage. The content is gzip under a plain name, as in the API.

    Raises SuspiciousFileOperation for a name that can't be ours.
    """
    if _NAME.fullmatch(name) is None:
        raise SuspiciousFileOperation(f"{name[:40]!r} is not the name of an export file.")
    return f"{job_id:d}/{name}"
