"""Processes that begin where Python and the libraries are loaded already, which is most of what a start costs.

Each is a fork of a process that has done nothing but load them (multiprocessing's fork server). From there on it is
what `python -m` makes of it, in a session and with an environment of its own.
"""

import contextlib
import multiprocessing
import os
import runpy
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from django.conf import settings

from portal.laptop import processes

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.journeys.processes.preloaded"])


class _Child:
    """What portal.laptop.processes asks of a subprocess.Popen."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self._process = _FORKS.Process(
            target=_become, args=(list(command), dict(environment), str(settings.BASE_DIR), str(log))
        )
        self._process.start()
        self.pid = self._process.pid
        # Whoever ends it ends the session, which has to be there.
        with contextlib.suppress(ProcessLookupError):
            while self._process.exitcode is None and os.getpgid(self.pid) != self.pid:
                time.sleep(0.001)

    def poll(self) -> int | None:
        return self._process.exitcode

    def terminate(self) -> None:
        self._process.terminate()

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0)
        return self._process.exitcode


class Process(processes.Process):
    """As the real one, unless what is to be loaded before Python itself is in the environment."""

    def __init__(
        self, name: str, command: Sequence[str], *, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        if environment and "LD_PRELOAD" in environment:
            super().__init__(name, command, log=log, environment=environment)
            return
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
        self._process = _Child(command, {**os.environ, **(environment or {})}, log)


def run(command: Sequence[str], *, log: Path, environment: Mapping[str, str]) -> str:
    """What a program writes, which runs to its end. Raises CalledProcessError."""
    log.unlink(missing_ok=True)
    it = Process(command[0], command, log=log, environment=environment)
    if code := it._process.wait():
        raise subprocess.CalledProcessError(code, command, output=log.read_text(), stderr="")
    return log.read_text()


def _become(command: list[str], environment: dict[str, str], folder: str, log: str) -> None:
    os.setsid()
    for descriptor, path, flags in ((0, os.devnull, os.O_RDONLY), (1, log, os.O_WRONLY | os.O_APPEND)):
        opened = os.open(path, flags)
        os.dup2(opened, descriptor)
        os.close(opened)
    os.dup2(1, 2)
    sys.stdin = open(0, closefd=False)  # noqa: SIM115  # multiprocessing has closed the former one
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = folder
    sys.argv = command  # its first is set by what comes
    runpy.run_module(command[0], run_name="__main__", alter_sys=True)
