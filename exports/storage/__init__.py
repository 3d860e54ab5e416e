"""Names, writes, opens and removes export files over STORAGES["exports"]. A file is complete, or it does not exist."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import BinaryIO, cast

from django.core.files.storage import storages

from exports.storage.base import ExportFiles, path_of

__all__ = ["opened", "path_of", "remove", "remove_all", "sent_by_another", "settle", "sha256", "storages", "writing"]


def writing(job_id: int, name: str) -> AbstractContextManager[BinaryIO]:
    """Open a file to write. It gets its name when the block ends without an error. Otherwise nothing stays."""
    return _files().writing(job_id, name)


def opened(job_id: int, name: str, part: range | None = None) -> BinaryIO:
    """Open a stored file, or a part of it, to read from the front. Raises FileNotFoundError."""
    return _files().opened(job_id, name, part)


def sha256(job_id: int, name: str) -> str:
    """Return the SHA-256 of the stored bytes, in hexadecimal. Raises FileNotFoundError."""
    return _files().sha256(job_id, name)


def settle(job_id: int, lengths: Mapping[str, int]) -> list[str]:
    """Sync a job's files to the disk. Return the names of those that are missing or incomplete."""
    return _files().settle(job_id, lengths)


def remove(job_id: int, name: str) -> None:
    """Remove one file, if it still exists."""
    _files().remove(job_id, name)


def remove_all(job_id: int) -> None:
    """Remove everything of a job, including unfinished files of workers that died."""
    _files().remove_all(job_id)


def sent_by_another(job_id: int, name: str, *, saved_as: str = "") -> Mapping[str, str] | None:
    """Return the headers with which another server sends the stored file, to be saved under a name; None if we send it.

    Raises FileNotFoundError if that can be known.
    """
    return _files().sent_by_another(job_id, name, saved_as=saved_as)


def _files() -> ExportFiles:
    return cast("ExportFiles", storages["exports"])
