"""What the embedded servers have in common: a data folder, sockets, and programs whose lives a lock tells."""

import abc
import contextlib
import fcntl
import hashlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from portal.laptop import locks

# The longest path of a Unix socket is 107 bytes on Linux and 103 on macOS; the names in the folder need up to 20.
LONGEST_SOCKET_FOLDER = 80


class EmbeddedError(RuntimeError):
    """An embedded server couldn't start. The message says what to do."""


class Server(abc.ABC):
    """An embedded server that keeps its data in a data folder, which it may share with others."""

    name: ClassVar[str]

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self._digest = hashlib.sha256(str(data_dir).encode()).hexdigest()[:12]

    @abc.abstractmethod
    def start(self) -> None:
        """Start the server unless it runs, and wait until it responds. Raises EmbeddedError."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Stop the server if it runs, and wait for its end."""

    @abc.abstractmethod
    def answers(self) -> bool:
        """Whether the server runs and responds."""

    def _for_sockets(self, folder: Path) -> Path:
        """Return the folder, or another one if its path is too long for a socket."""
        if len(str(folder)) <= LONGEST_SOCKET_FOLDER:
            return folder
        return Path(tempfile.gettempdir()) / f"claimsgate-{self._digest}-{folder.name}"

    @contextlib.contextmanager
    def _life(self) -> Iterator[int]:
        """Yield a descriptor for the server's programs. It holds a lock while any program that inherited it runs.

        Process IDs in files could be another process's after the machine restarts.
        """
        with locks.opened(self.data_dir, self.name) as lock:
            fcntl.flock(lock, fcntl.LOCK_SH)
            yield lock.fileno()

    def _lives(self) -> bool:
        with locks.opened(self.data_dir, self.name) as lock:
            return not locks.is_granted(lock, fcntl.LOCK_EX)

    def _wait_for_end(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self._lives() and time.monotonic() < until:
            time.sleep(0.02)
