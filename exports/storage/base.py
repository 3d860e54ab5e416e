"""What every place for export files offers, and how a file is named there."""

import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

from django.core.exceptions import SuspiciousFileOperation

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)


class ExportFiles(Protocol):
    """A place for export files: a file beside this one, whose class is also the backend of STORAGES["exports"].

    Each method keeps the word of the function of its name in this package.
    """

    def writing(self, job_id: int, name: str) -> AbstractContextManager[BinaryIO]: ...

    def opened(self, job_id: int, name: str, part: range | None) -> BinaryIO: ...

    def sha256(self, job_id: int, name: str) -> str: ...

    def settle(self, job_id: int, lengths: Mapping[str, int]) -> list[str]: ...

    def remove(self, job_id: int, name: str) -> None: ...

    def remove_all(self, job_id: int) -> None: ...

    def sent_by_another(self, job_id: int, name: str, *, saved_as: str) -> Mapping[str, str] | None: ...


def path_of(job_id: int, name: str) -> str:
    """Where a file of a job stands in the storage. The content is gzip under a plain name, as it is on the wire.

    Raises SuspiciousFileOperation for what cannot be a name of ours, whoever made it.
    """
    if _NAME.fullmatch(name) is None:
        raise SuspiciousFileOperation(f"{name[:40]!r} is not the name of an export file.")
    return f"{job_id:d}/{name}"
