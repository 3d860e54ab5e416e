"""A real nginx that runs docs/nginx.conf, changed only in its names, addresses and paths."""

import contextlib
import datetime as dt
import getpass
import os
import re
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.ports import free_port
from tests.services import REPOSITORY

DOCUMENTED = REPOSITORY / "docs" / "nginx.conf"
PATIENCE_SECONDS = 30


class Nginx:
    """A running nginx; its certificate is for localhost."""

    def __init__(self, folder: Path, *, port: int, plain_port: int, has_tls: bool) -> None:
        self.folder = folder
        self.port = port
        self.plain_port = plain_port
        self.base_url = f"{'https' if has_tls else 'http'}://localhost:{port}"
        self.certificate = folder / "certificate.pem"

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.certificate)

    def access_log(self) -> str:
        return (self.folder / "access.log").read_text()

    def error_log(self) -> str:
        return (self.folder / "error.log").read_text()


@contextlib.contextmanager
def nginx(
    program: str, folder: Path, *, upstream_port: int, exports: Path, has_tls: bool = True, more: str = ""
) -> Iterator[Nginx]:
    """Run it for as long as the block, with `more` in the part of it that clients speak to."""
    ports = (free_port(), free_port())
    folder.mkdir(parents=True)
    it = Nginx(folder, port=ports[0], plain_port=ports[1], has_tls=has_tls)
    _make_certificate(folder)
    configuration = folder / "nginx.conf"
    configuration.write_text(
        _configuration(it, upstream_port=upstream_port, exports=exports, has_tls=has_tls, more=more)
    )
    command = [program, "-e", "stderr", "-p", str(folder), "-c", str(configuration), "-g", "daemon off;"]
    with (folder / "output.log").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        _wait_until_up(it, process)
        yield it
    finally:
        process.terminate()
        process.wait()


def _configuration(it: Nginx, *, upstream_port: int, exports: Path, has_tls: bool, more: str) -> str:
    text = DOCUMENTED.read_text()
    tls = " ssl http2" if has_tls else ""
    changes = {
        # Only root may choose an account.
        "user claimsgate; ": f"user {getpass.getuser()}; " if os.geteuid() == 0 else "",
        "/run/nginx.pid": f"{it.folder}/nginx.pid",
        "/var/log/nginx/error.log": f"{it.folder}/error.log",
        "/var/log/nginx/access.log": f"{it.folder}/access.log",
        "127.0.0.1:8000": f"127.0.0.1:{upstream_port}",
        "listen 80;": f"listen 127.0.0.1:{it.plain_port};",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{it.port}{tls};",
        "/etc/ssl/claimsgate/certificate.pem": str(it.certificate),
        "/etc/ssl/claimsgate/key.pem": f"{it.folder}/key.pem",
        "        location / {": f"        {more}\n        location / {{",
        "alias /srv/claimsgate/exports/;": f"alias {exports}/;",
        # Where this user may write.
        "http {": "http {\n"
        + "".join(
            f"    {what}_temp_path {it.folder}/{what};\n"
            for what in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        ),
    }
    for before, after in changes.items():
        assert text.count(before) == 1, f"docs/nginx.conf has “{before}” {text.count(before)} times"
        text = text.replace(before, after)
    text = text.replace("gate.example", "localhost")
    return text if has_tls else re.sub(r"^ *ssl_.*\n", "", text, flags=re.MULTILINE)


def _make_certificate(folder: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )


def _wait_until_up(it: Nginx, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, (it.folder / "output.log").read_text()
        with contextlib.suppress(httpx.TransportError):
            httpx.get(f"http://localhost:{it.plain_port}/")
            return
        time.sleep(0.05)
    raise AssertionError(f"nginx does not answer; see {it.folder / 'output.log'}.")
