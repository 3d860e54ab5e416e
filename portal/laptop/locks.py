"""Lock files, by which processes know of each other. The kernel releases a lock when the process that holds it ends."""

import fcntl
from pathlib import Path
from typing import IO


def opened(folder: Path, name: str) -> IO[str]:
    """Open a lock file of a folder. A lock on it is released when it is closed, by everyone who has inherited it."""
    return (folder / f"{name}.lock").open("w")


def is_granted(lock: IO[str], kind: int) -> bool:
    """Try to take a lock without waiting: `fcntl.LOCK_SH` or `fcntl.LOCK_EX`. Return whether it was taken."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
