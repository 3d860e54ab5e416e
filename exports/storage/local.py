"""Export files on a disk that all servers and workers share."""

import contextlib
import hashlib
import io
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from django.core.files.storage import FileSystemStorage

from exports.storage.base import path_of

BUFFER_BYTES = 1 << 20
# How much is written before the disk starts to sync it, if the system offers that. macOS does not.
AHEAD_BYTES = 4 << 20
CAN_WORK_AHEAD = hasattr(os, "posix_fadvise")


class LocalFiles(FileSystemStorage):
    """A folder for each job that only its owner can read."""

    def __init__(self, *, x_accel_prefix: str = "", **options: Any) -> None:
        super().__init__(**options)
        self._x_accel_prefix = x_accel_prefix.strip("/")

    @contextlib.contextmanager
    def writing(self, job_id: int, name: str) -> Iterator[BinaryIO]:
        final = self._path(job_id, name)
        # A unique name: another worker that has lost its lease, and does not know, may write the same file.
        temporary = final.with_name(f".{name}.{secrets.token_hex(8)}")
        with io.BufferedWriter(_Flowing(_new(temporary), "wb"), BUFFER_BYTES) as file:
            try:
                yield file
                file.flush()
                os.fsync(file.fileno())
                temporary.replace(final)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise

    def opened(self, job_id: int, name: str, part: range | None = None) -> BinaryIO:
        file = self._path(job_id, name).open("rb")
        return file if part is None else cast("BinaryIO", Slice(file, part))

    def sha256(self, job_id: int, name: str) -> str:
        with self._path(job_id, name).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def settle(self, job_id: int, lengths: Mapping[str, int]) -> list[str]:
        """Sync a folder, once for all its files. Return the names of files that are missing or incomplete.

        Other files in the folder were left by workers that were killed while they wrote. They are removed.
        """
        try:
            folder = os.open(self._folder(job_id), os.O_RDONLY)
        except FileNotFoundError:
            return list(lengths)
        try:
            for leftover in {path.name for path in self._folder(job_id).iterdir()} - lengths.keys():
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(leftover, dir_fd=folder)
            os.fsync(folder)
            return [name for name, length in lengths.items() if _length(name, folder) != length]
        finally:
            os.close(folder)

    def remove(self, job_id: int, name: str) -> None:
        self._path(job_id, name).unlink(missing_ok=True)

    def remove_all(self, job_id: int) -> None:
        folder = self._folder(job_id)
        with contextlib.suppress(FileNotFoundError):
            for file in folder.iterdir():
                file.unlink(missing_ok=True)
            folder.rmdir()

    def sent_by_another(self, job_id: int, name: str, *, saved_as: str) -> Mapping[str, str] | None:
        """With nginx in front, nginx sends the file from its protected location. The path has nothing of the client."""
        del saved_as  # nginx keeps our response's Content-Disposition
        if not self._x_accel_prefix:
            return None
        self._path(job_id, name).stat()
        return {"X-Accel-Redirect": f"/{self._x_accel_prefix}/{path_of(job_id, name)}"}

    def _folder(self, job_id: int) -> Path:
        return Path(self.location, str(job_id))

    def _path(self, job_id: int, name: str) -> Path:
        return Path(self.location, path_of(job_id, name))


class _Flowing(io.FileIO):
    """A file that goes to the disk while more of it comes, so that little is left to sync at its end."""

    _sent = 0

    def write(self, data: Any) -> int:
        written = super().write(data)
        ahead = self.tell() - self._sent
        if CAN_WORK_AHEAD and ahead >= AHEAD_BYTES:
            # What memory does not need is written out at once, and no one waits for it.
            os.posix_fadvise(self.fileno(), self._sent, ahead, os.POSIX_FADV_DONTNEED)
            self._sent += ahead
        return written


class Slice:
    """A part of an open file, as a file: to read, or to send with sendfile from its position on."""

    def __init__(self, file: BinaryIO, part: range) -> None:
        self._file = file
        self._left = len(part)
        file.seek(part.start)

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(block)
        return block

    def tell(self) -> int:
        return self._file.tell()

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()


def _new(path: Path) -> int:
    """Return a descriptor of a new file. Creates the folder if there is none. Most files find it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return os.open(path, flags, mode=0o600)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return os.open(path, flags, mode=0o600)


def _length(name: str, folder: int) -> int | None:
    try:
        return os.stat(name, dir_fd=folder).st_size
    except FileNotFoundError:
        return None
