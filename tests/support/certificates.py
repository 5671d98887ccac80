"""Certificates for servers with TLS, made by openssl."""

import subprocess
from pathlib import Path


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def make_authority(folder: Path) -> Path:
    """The certificate of a new authority in ``folder``."""
    request = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=Authority -keyout ca.key -out ca.pem"
    _openssl(folder, *request.split())
    return folder / "ca.pem"


def make_certificate(folder: Path, name: str, host: str, *, days: int = 2) -> tuple[Path, Path]:
    """A certificate for ``host`` by the authority in ``folder``, and its key; with negative ``days`` it has expired."""
    _openssl(folder, *f"req -newkey rsa:2048 -nodes -subj /CN={host} -keyout {name}.key -out {name}.csr".split())
    (folder / f"{name}.ext").write_text(f"subjectAltName=DNS:{host}")
    sign = f"x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days {days}"
    _openssl(folder, *sign.split(), "-extfile", f"{name}.ext", "-out", f"{name}.pem")
    return folder / f"{name}.pem", folder / f"{name}.key"
