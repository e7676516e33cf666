"""The real nginx with the configuration of deploy/nginx, its ports and upstreams on loopback."""

import contextlib
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.deploy import compose
from tests.deploy.tools import DEPLOY, attempt, tool
from tests.support.process import free_port, until

PLACE = "/etc/nginx/tocsin"
HTTP_2_ALONE = (1, 25, 1)
"""Since this version `http2 on` stands by itself; what Debian has may be older."""
START_S = 20
STOP_S = 20


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running nginx: its addresses, and where its configuration and its log are."""

    http: str
    https: str
    folder: Path
    process: "subprocess.Popen[bytes]"

    @property
    def certificate(self) -> Path:
        return self.folder / "conf/certificate.pem"

    @property
    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8")


Site = Callable[[Mapping[str, str]], str]
"""Makes site.conf for upstreams that are at these addresses (host:port, … by service)."""


def site_of_compose(upstreams: Mapping[str, str]) -> str:
    """site.conf with the services where they are: everything else stays as it is."""
    text = (DEPLOY / "nginx/site.conf").read_text("utf-8")
    for room, addresses in upstreams.items():
        servers = " ".join(f"server {address};" for address in addresses.split(","))
        text, count = re.subn(rf"server {room}:8000 resolve;", servers, text)
        assert count == 1, room
    return re.sub(r"^resolver .*$", "", text, flags=re.MULTILINE)


@asynccontextmanager
async def running(upstreams: Mapping[str, str], *, site: Site = site_of_compose, command: list[str] | None = None) -> AsyncIterator[Nginx]:
    """nginx, started with the command of compose.yaml (or `command`), in front of `upstreams`."""
    program = tool("nginx")
    folder = Path(tempfile.mkdtemp(prefix="tocsin-nginx-"))
    http_port, https_port = free_port(), free_port()
    try:
        folder.chmod(0o755)  # its workers are nobody
        _write(folder, site(upstreams), http_port, https_port, _version(program))
        command = command or compose.services(compose.SECRETS)["nginx"]["entrypoint"]
        assert command[0] == "nginx"
        places = {"/tmp": str(folder / "run"), f"{PLACE}/nginx.conf": str(folder / "conf/nginx.conf")}
        arguments = [places.get(one, one) for one in command[1:]]
        process = _start([program, *arguments], folder)
        try:
            nginx = Nginx(f"http://127.0.0.1:{http_port}", f"https://127.0.0.1:{https_port}", folder, process)
            await until(lambda: _listening(nginx, http_port), "nginx listens", timeout_s=START_S)
            yield nginx
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_S)
            process.kill()
            process.wait(STOP_S)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(command: list[str], folder: Path) -> "subprocess.Popen[bytes]":
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


async def _listening(nginx: Nginx, port: int) -> bool:
    assert nginx.process.poll() is None, nginx.log
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _write(folder: Path, site: str, http_port: int, https_port: int, version: tuple[int, ...]) -> None:
    conf = folder / "conf"
    (folder / "run").mkdir(mode=0o755)
    shutil.copytree(DEPLOY / "nginx", conf)
    changes = {
        r"listen 8080": f"listen 127.0.0.1:{http_port}",
        r"listen 8443": f"listen 127.0.0.1:{https_port}",
        r"/run/secrets/tls_certificate": str(conf / "certificate.pem"),
        r"/run/secrets/tls_key": str(conf / "key.pem"),
        PLACE: str(conf),
        **({"http2 on;": ""} if version < HTTP_2_ALONE else {}),
    }
    (conf / "site.conf").write_text(site, "utf-8")
    for path in conf.glob("*.conf"):
        text = path.read_text("utf-8")
        for old, new in changes.items():
            text = text.replace(old, new)
        path.write_text(text, "utf-8")
    _certify(conf)


def _version(program: str) -> tuple[int, ...]:
    shown = attempt(program, "-v")
    found = re.search(r"nginx/([\d.]+)", shown.stderr + shown.stdout)
    assert found, shown
    return tuple(int(part) for part in found[1].split("."))


def _certify(folder: Path) -> None:
    """A certificate for 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tocsin of the tests")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
