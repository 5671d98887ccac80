"""A real OpenID provider (the package oidc-provider, run by Node), its keys, and whoever signs in there."""

import base64
import contextlib
import dataclasses
import hashlib
import json
import os
import re
import secrets
import shutil
import subprocess
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.ports import free_port

_FOLDER = Path(__file__).parent / "openid_provider"
PAGE, PROGRAM = "page", "program"
"""The provider's clients."""
AUDIENCE = "https://stt.example.org"


@dataclasses.dataclass
class SigningKey:
    """A key pair of a provider; tests sign with it what the provider itself would not."""

    kid: str = dataclasses.field(default_factory=lambda: secrets.token_hex(4))

    def __post_init__(self) -> None:
        from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
        from jwt.algorithms import RSAAlgorithm

        self.private = generate_private_key(65537, 2048)
        self.jwk = {
            **RSAAlgorithm.to_jwk(self.private, as_dict=True),
            "kid": self.kid,
            "use": "sig",
            "alg": "RS256",
        }
        self.jwk.pop("key_ops", None)

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        import jwt

        return jwt.encode(claims, self.private, algorithm="RS256", headers={"kid": self.kid, **header})


@dataclasses.dataclass
class Provider:
    """A provider that runs. ``key``: the one with which it signs."""

    url: str
    key: SigningKey

    def claims(self, **claims: Any) -> dict[str, Any]:
        """Claims of an ID token for the page; those that are None are left out."""
        now_s = int(time.time())
        whole = {"iss": self.url, "aud": PAGE, "sub": "ann", "iat": now_s, "exp": now_s + 300, **claims}
        return {name: value for name, value in whole.items() if value is not None}


def _installed() -> Path:
    """The folder with the provider, installed as locked into the user's cache. Skips where that cannot be."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("no Node: the OpenID provider of the tests runs on it")
    lock = (_FOLDER / "package-lock.json").read_bytes()
    folder = (
        Path.home() / ".cache" / "stt-suite" / "test-tools" / f"openid-provider-{hashlib.sha256(lock).hexdigest()[:12]}"
    )
    if not (folder / "node_modules").is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = folder.with_name(f"{folder.name}-{secrets.token_hex(4)}")
        made.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_FOLDER / name, made)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=made, capture_output=True, text=True, timeout=100, check=False)
        if done.returncode:
            shutil.rmtree(made)
            pytest.skip(f"oidc-provider cannot be installed: {done.stderr.strip().splitlines()[-1]}")
        # Two test runs may install at once.
        with contextlib.suppress(OSError):
            made.rename(folder)
    shutil.copy(_FOLDER / "provider.mjs", folder)
    return folder


@contextlib.contextmanager
def openid_provider(port: int = 0, key: SigningKey | None = None, **options: Any) -> Iterator[Provider]:
    """A provider with a page's client; ``options`` as in provider.mjs."""
    pytest.importorskip("jwt", reason="PyJWT is not installed: pip install 'pyjwt[crypto]'")
    folder, port, key = _installed(), port or free_port(), key or SigningKey()
    paths = ("/signed-in", "/tools/stt/signed-in")
    given = {
        "port": port,
        "keys": [key.jwk],
        "redirects": [f"http://{host}{path}" for host in ("127.0.0.1", "localhost") for path in paths],
        "audience": AUDIENCE,
        **options,
    }
    process = subprocess.Popen(
        ["node", str(folder / "provider.mjs")],
        env={**os.environ, "OPTIONS": json.dumps(given)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Provider(f"http://127.0.0.1:{port}", key)
    finally:
        process.terminate()
        process.wait(20)


async def code_for(provider: Provider, name: str, redirect: str) -> dict[str, str]:
    """Signs in as a browser would; answers what the page then sends to ``POST /v1/stt/sign-in``."""
    verifier, nonce, state = (secrets.token_urlsafe(32) for _ in range(3))
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    query = {
        "client_id": PAGE,
        "response_type": "code",
        "scope": "openid profile",
        "redirect_uri": redirect,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "state": state,
        "nonce": nonce,
    }
    async with httpx2.AsyncClient(base_url=provider.url, trust_env=False) as browser:
        answer = await browser.get("/auth", params=query)
        while not answer.headers.get("location", "").startswith(redirect):
            if "location" in answer.headers:
                answer = await browser.get(answer.headers["location"])
                continue
            assert answer.status_code == 200, answer.text
            (action,) = re.findall(r'<form[^>]* action="([^"]+)"', answer.text)
            (prompt,) = re.findall(r'name="prompt" value="(\w+)"', answer.text)
            answer = await browser.post(action, data={"prompt": prompt, "login": name, "password": "any"})
    given = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(answer.headers["location"]).query))
    assert given["state"] == state
    return {"code": given["code"], "code_verifier": verifier, "redirect_uri": redirect, "nonce": nonce}


async def program_token(provider: Provider) -> str:
    """An access token for the suite, as a program gets one with a secret of its own."""
    async with httpx2.AsyncClient(base_url=provider.url, trust_env=False) as http:
        answer = await http.post(
            "/token",
            data={"grant_type": "client_credentials", "resource": AUDIENCE},
            auth=(PROGRAM, urllib.parse.quote_plus("a secret of the program's")),
        )
    token: str = answer.json()["access_token"]
    return token
