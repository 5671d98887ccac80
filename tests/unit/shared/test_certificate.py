"""Files of a certificate that cannot be used: one line for the operator each."""

import shutil
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError
from support.certificates import make_authority

from stt_gateway.settings import GatewaySettings
from stt_shared.process.certificate import Certificate, UnusableCertificate

pytestmark = [
    pytest.mark.unit,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    cert = make_authority(folder)
    (folder / "both.pem").write_bytes(cert.read_bytes() + (folder / "ca.key").read_bytes())
    protect = "openssl pkcs8 -topk8 -passout pass:secret -in ca.key -out protected.key"
    subprocess.run(protect.split(), cwd=folder, check=True, capture_output=True)
    subprocess.run(["openssl", "genrsa", "-out", "other.key", "2048"], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize(
    ("cert", "key", "complaint"),
    [
        ("nowhere.pem", "ca.key", "TLS_CERT: .*nowhere.pem cannot be read: No such file"),
        ("ca.pem", "nowhere.key", "TLS_KEY: .*nowhere.key cannot be read: No such file"),
        (".", "ca.key", "TLS_CERT: .* cannot be read: Is a directory"),
        ("ca.pem", "other.key", "TLS_KEY: the key is not that of the certificate in TLS_CERT"),
        ("ca.pem", "protected.key", "TLS_KEY: the key has a password; it must have none"),
        ("ca.key", "ca.key", "must be PEM files with a certificate and its key"),
        ("ca.pem", None, "must be PEM files with a certificate and its key"),
    ],
)
def test_what_cannot_be_used_is_said(folder: Path, cert: str, key: str | None, complaint: str) -> None:
    with pytest.raises(UnusableCertificate, match=complaint):
        Certificate(folder / cert, key and folder / key)


def test_both_may_be_in_one_file(folder: Path) -> None:
    Certificate(folder / "both.pem", None)


def test_a_key_alone_is_a_mistake_and_empty_settings_are_none() -> None:
    with pytest.raises(ValidationError, match="TLS_CERT, which must be set too"):
        GatewaySettings(tls_key=Path("a.key"))
    assert GatewaySettings(tls_cert="", tls_key="").tls_cert is None  # type: ignore[arg-type]
