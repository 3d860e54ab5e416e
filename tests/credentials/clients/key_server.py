"""A real server on this machine that publishes a key set, or does worse; its TLS has an authority of its own."""

import datetime as dt
import functools
import ipaddress
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

# The names that its certificate is for.
NAMES = ("localhost", "keys.example")

Behaviour = Callable[[BaseHTTPRequestHandler], None]


class KeyServer:
    """Answers GET with `body`, `status` and `headers`, or as `behaviour` does; `requests` are the paths so far."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.body: str | bytes = b""
        self.status = 200
        self.headers: dict[str, str] = {}
        self.behaviour: Behaviour | None = None
        self.requests: list[str] = []
        self.heard: list[dict[str, str]] = []
        self._server = _Server(("127.0.0.1", 0), functools.partial(_Handler, self))
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.scheme = "https" if certificate else "http"
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def url(self, host: str = "localhost", path: str = "/jwks.json") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args) -> None:
        """Nothing: that callers hang up is what the tests are about."""


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, server: KeyServer, *args) -> None:
        self.keys = server
        super().__init__(*args)

    def do_GET(self) -> None:
        self.keys.requests.append(self.path)
        self.keys.heard.append({name.lower(): value for name, value in self.headers.items()})
        if self.keys.behaviour:
            self.keys.behaviour(self)
            return
        body = self.keys.body.encode() if isinstance(self.keys.body, str) else self.keys.body
        self.send_response(self.keys.status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in self.keys.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args) -> None:
        """Nothing: the tests' output is theirs."""


def make_authority(folder: Path) -> tuple[Path, Path]:
    """The certificate of a certification authority, and a key with a certificate that it gave for NAMES; PEM files."""
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority for tests")])
    authority = (
        _certificate(authority_name, authority_name, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    names = [*(x509.DNSName(name) for name in NAMES), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        _certificate(x509.Name([]), authority_name, key)
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    trusted, used = folder / "authority.pem", folder / "server.pem"
    trusted.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    used.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return trusted, used


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )
