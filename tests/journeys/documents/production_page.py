"""docs/production.md as somebody who follows it to the letter: its blocks, a shell, the processes it has one start."""

import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.services import REPOSITORY

PAGE = REPOSITORY / "docs" / "production.md"
PATIENCE_SECONDS = 300
_BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>\w+)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block of the page, and the heading under which it stands."""

    heading: str
    language: str
    text: str


def blocks(page: str) -> list[Block]:
    found = []
    for match in _BLOCK.finditer(page):
        headings = re.findall(r"^#+ (.*)$", _BLOCK.sub("", page[: match.start()]), re.MULTILINE)
        text = re.sub(rf"^{match['indent']}", "", match["text"], flags=re.MULTILINE)
        found.append(Block(headings[-1], match["language"], text))
    return found


def substitutions(folder: Path, *, postgres: int, server: int, broker_url: str, cache_url: str) -> dict[str, str]:
    """All that the tests change in the page, as regular expressions: places, ports, accounts, secrets."""
    return {
        r"/opt/claimsgate/\.venv/bin": str(Path(sys.executable).parent),
        r"/opt/claimsgate": str(REPOSITORY),
        r"/srv/claimsgate": f"{folder}/srv",
        r"/etc/claimsgate": f"{folder}/etc",
        r"127\.0\.0\.1:5432": f"127.0.0.1:{postgres}",
        r"127\.0\.0\.1:8000": f"127.0.0.1:{server}",
        r"=redis://127\.0\.0\.1:6379/0": f"={broker_url}",
        r"=rediscache://127\.0\.0\.1:6379/1": f"={cache_url}",
        # Only root may give folders to another account.
        r"-o \w+ -g \w+ ": "",
        # What it builds is there: the tests run in it.
        r"^make ": "make --dry-run ",
        **{rf"CHANGE-ME-{name}[-A-Z0-9]*": secrets.token_hex(32) for name in ("OWNER", "APP", "KEY", "MAIL")},
    }


def changed(text: str, table: Mapping[str, str]) -> str:
    for pattern, value in table.items():
        text = re.sub(pattern, value.replace("\\", "\\\\"), text, flags=re.MULTILINE)
    return text


class Shell:
    """One shell for all blocks, which ends at the first command that fails; nothing of the tests' is in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._output = folder / "shell.log"
        self._count = 0
        self._read = 0
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                ["sh", "-eu"],
                cwd=folder,
                env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, text: str) -> str:
        """What the commands write."""
        self._count += 1
        script, done = self.folder / f"block-{self._count}.sh", f"done-{self._count}"
        script.write_text(text)
        assert self._process.stdin
        self._process.stdin.write(f". {script} </dev/null\necho {done}\n".encode())
        self._process.stdin.flush()
        until = time.monotonic() + PATIENCE_SECONDS
        while not (told := self._output.read_text()[self._read :]).endswith(f"{done}\n"):
            assert self._process.poll() is None, f"{text}\n{told}"
            assert time.monotonic() < until, f"{text}\n{told}"
            time.sleep(0.05)
        self._read += len(told)
        return told.removesuffix(f"{done}\n")

    def start(self, text: str, name: str) -> "Service":
        """A command that goes on, with the variables and in the folder of the shell."""
        path = self.folder / "environment"
        self.run(f"env -0 >{path}; pwd >{self.folder}/where")
        pairs = (pair.partition("=") for pair in path.read_text().split("\0") if pair)
        return Service(
            text,
            {key: value for key, _, value in pairs},
            cwd=(self.folder / "where").read_text().strip(),
            log=self.folder / f"{name}.log",
        )

    def end(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(PATIENCE_SECONDS)


class Service:
    """A process that the page has one start."""

    def __init__(self, command: str, environment: Mapping[str, str], *, cwd: str, log: Path) -> None:
        self._log = log
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                ["sh", "-c", f"exec {command}"],
                env=environment,
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def wait_for(self, text: str) -> None:
        """Until the process says it."""
        until = time.monotonic() + PATIENCE_SECONDS
        while text not in self.log:
            assert self._process.poll() is None, self.log
            assert time.monotonic() < until, self.log
            time.sleep(0.05)

    def end(self) -> int:
        """Its exit code after SIGTERM, as an init system ends it."""
        self._process.terminate()
        try:
            return self._process.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            return self._process.wait()
