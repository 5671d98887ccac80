"""Certificates for servers with TLS, made by openssl."""

import subprocess
from pathlib import Path

_NEW_KEY = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def make_authority(folder: Path) -> Path:
    """The certificate of a new authority in ``folder``."""
    request = f"req -x509 {_NEW_KEY} -days 2 -subj /CN=Authority -keyout ca.key -out ca.pem"
    _openssl(folder, *request.split())
    return folder / "ca.pem"


def make_certificate(folder: Path, name: str, host: str, *, days: int = 2) -> tuple[Path, Path]:
    """A certificate for ``host`` by the authority in ``folder``, and its key; with negative ``days`` it has expired."""
    _openssl(folder, *f"req {_NEW_KEY} -subj /CN={host} -keyout {name}.key -out {name}.csr".split())
    (folder / f"{name}.ext").write_text(f"subjectAltName=DNS:{host}")
    sign = f"x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days {days}"
    _openssl(folder, *sign.split(), "-extfile", f"{name}.ext", "-out", f"{name}.pem")
    return folder / f"{name}.pem", folder / f"{name}.key"
