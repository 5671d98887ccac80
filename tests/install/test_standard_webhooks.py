"""Callbacks are what the library of the Standard Webhooks specification, from the package index, accepts."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stt_gateway.core.outbound.signature import secret_text, secrets_of, signature_headers, tenant_key

pytestmark = pytest.mark.install

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")
SCRIPT = """
import json, sys
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

for case in json.load(sys.stdin):
    try:
        print(json.dumps(Webhook(case["secret"]).verify(case["body"], case["headers"])))
    except WebhookVerificationError as error:
        print(json.dumps(f"refused: {error}"))
"""


def run(*command: str | Path, text: str | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(list(map(str, command)), input=text, capture_output=True, text=True, timeout=110, check=False)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the library alone."""
    folder = tmp_path_factory.mktemp("webhooks") / "environment"
    assert run(sys.executable, "-m", "venv", "--without-pip", folder).returncode == 0
    installed = run(*PIP, "--python", folder / "bin" / "python", "install", "-q", "standardwebhooks~=1.0")
    if installed.returncode != 0:
        pytest.skip(f"no package index: {installed.stderr.strip().splitlines()[-1]}")
    return folder / "bin" / "python"


def test_it_verifies_what_is_signed_and_nothing_else(python: Path) -> None:
    (secret,) = secrets_of(SECRET)
    other = secret_text(bytes(32))
    body, now_s = '{"type":"job.completed","data":{"text":"é"}}', int(time.time())

    def case(key: bytes, checked_with: str, *, at_s: int = now_s, sent: str = body) -> dict[str, object]:
        headers = signature_headers([bytes(32), key], "j1", at_s, body.encode())
        return {"secret": checked_with, "body": sent, "headers": headers}

    cases = [
        case(secret, SECRET),
        case(tenant_key(secret, "acme"), secret_text(tenant_key(secret, "acme"))),
        case(secret, other),  # the secret that this one replaces
        case(tenant_key(secret, "acme"), SECRET),
        case(secret, SECRET, sent=body + " "),
        case(secret, SECRET, at_s=now_s - 3600),
    ]
    answered = run(python, "-c", SCRIPT, text=json.dumps(cases))
    assert answered.returncode == 0, answered.stderr
    found = [json.loads(line) for line in answered.stdout.splitlines()]
    assert found[:3] == [json.loads(body)] * 3
    assert all(str(one).startswith("refused") for one in found[3:])
