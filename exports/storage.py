"""Names, writes, opens and removes export files over STORAGES["exports"]. A file is there whole or not at all."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from django.core.files.storage import FileSystemStorage, storages

BUFFER_BYTES = 1 << 20


def path_of(job_id: int, name: str) -> str:
    """Where a file of a job stands in the storage. The content is gzip under a plain name, as it is on the wire."""
    return f"{job_id}/{name}"


@contextlib.contextmanager
def writing(job_id: int, name: str) -> Iterator[BinaryIO]:
    """A file to write. It appears under its name when the block ends well, and leaves nothing when it does not."""
    final = Path(_storage().path(path_of(job_id, name)))
    final.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A worker that was killed while it wrote could not clear away after itself.
    for abandoned in final.parent.glob(f".{final.name}.*"):
        abandoned.unlink(missing_ok=True)
    temporary = final.with_name(f".{final.name}.{uuid.uuid4().hex}")
    try:
        with open(temporary, "xb", buffering=BUFFER_BYTES, opener=_private) as file:  # Path has no opener
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(final)
        _sync_folder(final.parent)
    finally:
        temporary.unlink(missing_ok=True)


def opened(job_id: int, name: str) -> BinaryIO:
    """A stored file, to read. Raises FileNotFoundError."""
    return Path(_storage().path(path_of(job_id, name))).open("rb")


def remove(job_id: int, name: str) -> None:
    """Remove one file; it may be gone already."""
    _storage().delete(path_of(job_id, name))


def remove_all(job_id: int) -> None:
    """Remove whatever a job has left, half-written files of workers that died included."""
    storage = _storage()
    folder = Path(storage.path(str(job_id)))
    with contextlib.suppress(FileNotFoundError):
        for file in folder.iterdir():
            file.unlink(missing_ok=True)
        folder.rmdir()


def _storage() -> FileSystemStorage:
    storage = storages["exports"]
    assert isinstance(storage, FileSystemStorage)  # noqa: S101  # the one kind that exports are written to so far
    return storage


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, mode=0o600)


def _sync_folder(folder: Path) -> None:
    """Make a rename last through a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
