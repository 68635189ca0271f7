"""Real proxies, each from its package: how they are started.

A server is a function that writes what it needs into its place and returns the command that listens there.
"""

import errno
import getpass
import json
import os
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

# Beside the PATH, where Debian's daemons stand; what pip installed stands beside Python, or where
# `make proxies` has put it.
PROXIES = Path(__file__).parents[2] / ".venv-proxies" / "bin"
BINARIES = os.pathsep.join(
    [str(Path(sys.executable).parent), str(PROXIES), os.environ["PATH"], "/usr/sbin", "/sbin"]
)
# Below those that Linux gives to clients, so that none is taken before the server starts; none comes twice.
PORTS = iter(random.sample(range(20_000, 32_768), 1_000))
USER, PASSWORD = "u", "p"
HASHED = f"{USER}:$apr1$eagleray$6JlEXoQBXosSYsI3oLSnf0\n"  # `openssl passwd -apr1 p`, for Apache and Squid


class Missing(LookupError):
    """Raised where a server can't run here: says what to do about it."""


class Place(NamedTuple):
    """Where a server listens, and a directory of its own that any user can read."""

    host: str
    port: int
    directory: Path

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def file(self, name: str, *lines: str) -> Path:
        """A file of the server's with these lines."""
        path = self.directory / name
        path.write_text("".join(f"{line}\n" for line in lines))
        return path


def found(binary: str) -> str:
    path = shutil.which(binary, path=BINARIES)
    if path is None:
        raise Missing(f"{binary} is missing: {INSTALL[binary]}")
    return path


def free_port(host: str) -> int:
    """A port that nobody uses.

    Raises:
        OSError: there is no such host here.
    """
    for port in PORTS:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as sock:
            try:
                sock.bind((host, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                return port
    raise RuntimeError("no port is free")


Command = Sequence[str | Path | int]
Server = Callable[[Place], Command]


def squid(*lines: str) -> Server:
    common = ["cache deny all", "access_log none", "cache_log /dev/null", "pid_filename none"]
    common += ["shutdown_lifetime 0 seconds", "visible_hostname eagleray.test"]

    def command(place: Place) -> Command:
        own = [line.format(passwords=place.directory / "passwords") for line in lines]
        place.file("passwords", HASHED.strip())
        file = place.file("squid.conf", f"http_port {place}", *common, *own, "http_access allow all")
        return ["squid", "-N", "-n", f"eagleray{place.port}", "-f", file]

    return command


SQUID_PASSWORD = (
    "auth_param basic program /usr/lib/squid/basic_ncsa_auth {passwords}",
    "auth_param basic children 1",
    "acl known proxy_auth REQUIRED",
    "http_access deny !known",
)


def tinyproxy(*lines: str) -> Server:
    def command(place: Place) -> Command:
        listen = [f"Port {place.port}", f"Listen {place.host}", "Timeout 30"]
        return ["tinyproxy", "-d", "-c", place.file("tinyproxy.conf", *listen, *lines)]

    return command


def certificate(place: Place) -> Path:
    """A new key with a certificate that nobody vouches for, in one PEM file."""
    key, file = place.directory / "key.pem", place.directory / "both.pem"
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    words = [found("openssl"), "req", "-x509", *kind, "-keyout", key, "-out", file, "-subj", "/CN=proxy"]
    subprocess.run(words, check=True, capture_output=True)
    file.write_bytes(key.read_bytes() + file.read_bytes())
    return file


def squid_tls(place: Place) -> Command:
    listen = f"https_port {place} tls-cert={certificate(place)}"
    lines = ["cache deny all", "access_log none", "cache_log /dev/null", "pid_filename none"]
    file = place.file("squid.conf", listen, *lines, "http_access allow all", "visible_hostname eagleray.test")
    return ["squid", "-N", "-n", f"eagleray{place.port}", "-f", file]


def stunnel(place: Place) -> Command:
    """In front of a tinyproxy of its own, which ends with it."""
    behind = place._replace(port=free_port(place.host))
    proxy = " ".join(map(str, [found("tinyproxy"), *tinyproxy()(behind)[1:]]))
    common = ["foreground = yes", "pid =", "[proxy]", f"accept = {place}", f"connect = {behind}"]
    file = place.file("stunnel.conf", *common, f"cert = {certificate(place)}")
    return ["sh", "-c", f"{proxy} & exec {found('stunnel')} {file}"]


def privoxy(place: Place) -> Command:
    file = place.file("config", f"listen-address {place}", f"confdir {place.directory}")
    return ["privoxy", "--no-daemon", file]


def apache2(*lines: str) -> Server:
    modules = ["mpm_event", "authz_core", "authz_user", "authn_core", "authn_file", "auth_basic"]
    modules += ["proxy", "proxy_http", "proxy_connect"]
    load = [f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so" for name in modules]

    def command(place: Place) -> Command:
        place.file("passwords", HASHED.strip())
        common = [f"Listen {place}", "ServerName eagleray.test", "ErrorLog /dev/null", "User nobody"]
        common += [f"PidFile {place.directory}/pid", f"ServerRoot {place.directory}"]
        return ["apache2", "-X", "-f", place.file("apache2.conf", *load, *common, *lines)]

    return command


APACHE_PROXY = ("ProxyRequests On", "AllowCONNECT 1-65535")
APACHE_PASSWORD = (
    "<Proxy *>",
    "AuthType Basic",
    "AuthName eagleray",
    "AuthUserFile passwords",
    "Require valid-user",
    "</Proxy>",
)


def ncat(*options: str) -> Server:
    return lambda place: ["ncat", "-lk", place.host, place.port, "--proxy-type", "http", *options]


def dante(method: str = "none", rule: str = "pass") -> Server:
    everyone = "{ from: 0.0.0.0/0 to: 0.0.0.0/0 }"

    def command(place: Place) -> Command:
        lines = ["logoutput: /dev/null", f"internal: {place.host} port = {place.port}", "external: lo"]
        lines += ["clientmethod: none", f"socksmethod: {method}", "user.unprivileged: nobody"]
        lines += [f"client pass {everyone}", f"socks {rule} {everyone}"]
        return ["danted", "-f", place.file("danted.conf", *lines)]

    return command


def microsocks(*options: str) -> Server:
    return lambda place: ["microsocks", "-i", place.host, "-p", place.port, *options]


def ssh(place: Place) -> Command:
    """`ssh -D` through an sshd of its own, which speaks over a pipe and listens nowhere."""
    key = place.directory / "key"
    subprocess.run([found("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    Path("/run/sshd").mkdir(exist_ok=True)  # where it locks its unprivileged half in
    server = place.file("sshd_config", f"HostKey {key}", f"AuthorizedKeysFile {key}.pub", "StrictModes no")
    options = [f"ProxyCommand={found('sshd')} -i -f {server}", "StrictHostKeyChecking=no"]
    options += ["UserKnownHostsFile=/dev/null", "BatchMode=yes"]
    words = [word for option in options for word in ("-o", option)]
    return ["ssh", "-F", "none", "-N", "-D", str(place), "-i", key, *words, f"{getpass.getuser()}@eagleray"]


def sshd(place: Place) -> Command:
    """What listens where no proxy is: it greets before it is asked."""
    key = place.directory / "key"
    subprocess.run([found("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    Path("/run/sshd").mkdir(exist_ok=True)
    file = place.file("sshd_config", f"HostKey {key}", f"ListenAddress {place}", "PidFile none")
    return ["sshd", "-D", "-f", file]


def proxy_py(*options: str) -> Server:
    workers = ["--num-workers", "1", "--num-acceptors", "1"]
    return lambda place: ["proxy", "--hostname", place.host, "--port", place.port, *workers, *options]


# pproxy 2.7 expects an event loop that is there without being made, which uvloop no longer gives.
PPROXY = """
import asyncio, sys
sys.modules["uvloop"] = None
asyncio.set_event_loop(asyncio.new_event_loop())
from pproxy.server import main
main()
"""


def pproxy(schemes: str, fragment: str = "") -> Server:
    def command(place: Place) -> Command:
        found("pproxy")
        # By default it lets in whoever shares an address with someone who knew the password.
        return [sys.executable, "-c", PPROXY, "-l", f"{schemes}://{place}{fragment}", "--auth", "0"]

    return command


def mitmproxy(*options: str) -> Server:
    """An interceptor; the sites' own certificates may be anybody's, as the proving ground's is."""

    def command(place: Place) -> Command:
        common = ["-q", "--ssl-insecure", "--set", f"confdir={place.directory}"]
        listen = ["--listen-host", place.host, "--listen-port", str(place.port)]
        return ["mitmdump", *common, *listen, *options]

    return command


def sing_box(*users: Mapping[str, str], secure: bool = False) -> Server:
    """Everything at one port; or, `secure`, HTTP over TLS."""

    def command(place: Place) -> Command:
        inbound = {"type": "mixed", "listen": place.host, "listen_port": place.port, "users": users}
        if secure:
            both = str(certificate(place))
            inbound |= {"type": "http", "tls": {"enabled": True, "certificate_path": both, "key_path": both}}
        settings = {"inbounds": [inbound], "outbounds": [{"type": "direct"}]}
        return ["sing-box", "run", "-c", place.file("config.json", json.dumps(settings))]

    return command


SERVERS: dict[str, Server] = {
    "squid": squid(),
    "squid, forwarded_for delete": squid("forwarded_for delete"),
    "squid, via off": squid("forwarded_for delete", "via off"),
    "squid, password": squid("forwarded_for delete", "via off", *SQUID_PASSWORD),
    "squid, deny": squid("http_access deny all"),
    "squid, no way out": squid("never_direct allow all"),
    "squid, ::1": squid(),
    "tinyproxy": tinyproxy(),
    "tinyproxy, no Via": tinyproxy("DisableViaHeader Yes"),
    "tinyproxy, XTinyproxy": tinyproxy("XTinyproxy Yes"),
    "tinyproxy, password": tinyproxy(f"BasicAuth {USER} {PASSWORD}"),
    "tinyproxy, ConnectPort": tinyproxy("ConnectPort 443"),
    "tinyproxy, Deny": tinyproxy("Deny 127.0.0.0/8"),
    "tinyproxy, ::1": tinyproxy(),
    "squid, https_port": squid_tls,
    "tinyproxy behind stunnel": stunnel,
    "privoxy": privoxy,
    "apache2": apache2(*APACHE_PROXY),
    "apache2, Via": apache2(*APACHE_PROXY, "ProxyVia On"),
    "apache2, password": apache2(*APACHE_PROXY, *APACHE_PASSWORD),
    "apache2, web server": apache2(),
    "ncat": ncat(),
    "ncat, --ssl": ncat("--ssl"),
    "ncat, password": ncat("--proxy-auth", f"{USER}:{PASSWORD}"),
    "dante": dante(),
    "dante, password": dante(method="username"),
    "dante, block": dante(rule="block"),
    "microsocks": microsocks(),
    "microsocks, password": microsocks("-u", USER, "-P", PASSWORD),
    "microsocks, ::1": microsocks(),
    "ssh -D": ssh,
    "ssh -D, ::1": ssh,
    "sshd": sshd,
    "proxy.py": proxy_py(),
    "proxy.py, password": proxy_py("--basic-auth", f"{USER}:{PASSWORD}"),
    "pproxy": pproxy("http+socks4+socks5"),
    "pproxy, password": pproxy("http+socks5", f"#{USER}:{PASSWORD}"),
    "mitmproxy": mitmproxy(),
    "mitmproxy, socks5": mitmproxy("--mode", "socks5"),
    "mitmproxy, password": mitmproxy("--proxyauth", f"{USER}:{PASSWORD}"),
    "sing-box": sing_box(),
    "sing-box, password": sing_box({"username": USER, "password": PASSWORD}),
    "sing-box, ::1": sing_box(),
    "sing-box, tls": sing_box(secure=True),
}
INSTALL = {  # where a binary that is not here comes from
    "squid": "apt-get install squid",
    "tinyproxy": "apt-get install tinyproxy",
    "openssl": "apt-get install openssl",
    "stunnel": "apt-get install stunnel4",
    "privoxy": "apt-get install privoxy",
    "apache2": "apt-get install apache2-bin",
    "ncat": "apt-get install ncat",
    "danted": "apt-get install dante-server",
    "microsocks": "apt-get install microsocks",
    "ssh": "apt-get install openssh-client openssh-server",
    "sshd": "apt-get install openssh-server",
    "ssh-keygen": "apt-get install openssh-client",
    "proxy": "pip install proxy.py",
    "pproxy": "pip install pproxy",
    "mitmdump": "make proxies",
    "sing-box": "make proxies",
}
