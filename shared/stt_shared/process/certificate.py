"""A server's own certificate, read again when its files change."""

import asyncio
import os
import ssl
from pathlib import Path

import structlog

_log = structlog.get_logger()

CHECK_EVERY_S = 5.0
"""Interval between checks whether the files have changed."""


class UnusableCertificate(OSError):
    """Raised for files that hold no certificate with its key; the message is for the operator."""


class Certificate:
    """TLS (1.2 or later) for a server. New connections get the newest certificate, open ones keep theirs.

    ``key`` None: the file of the certificate also holds its key. Raises UnusableCertificate.
    """

    def __init__(self, certificate: Path, key: Path | None) -> None:
        self._certificate = certificate
        self._key = key
        self._seen = self._state_of_files()
        self._newest = self._read()
        self.context = self._read()
        # It is called for each handshake, also of clients that name no server.
        self.context.sni_callback = self._choose

    async def follow(self) -> None:
        """Read the files again each time they have changed."""
        while True:
            await asyncio.sleep(CHECK_EVERY_S)
            await asyncio.to_thread(self._check)

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self._newest

    def _check(self) -> None:
        state = self._state_of_files()
        if state == self._seen:
            return
        self._seen = state
        try:
            self._newest = self._read()
        except UnusableCertificate as error:
            # Perhaps only one of the two is written yet.
            _log.warning("certificate not replaced", cause=str(error))
        else:
            _log.info("certificate replaced", file=str(self._certificate))

    def _state_of_files(self) -> list[tuple[int, int, int]]:
        found = []
        for path in (self._certificate, self._key or self._certificate):
            try:
                state = path.stat()
            except OSError:
                found.append((0, 0, 0))
            else:
                found.append((state.st_mtime_ns, state.st_ino, state.st_size))
        return found

    def _read(self) -> ssl.SSLContext:
        for setting, path in (("TLS_CERT", self._certificate), ("TLS_KEY", self._key)):
            if path is not None:
                _check_readable(setting, path)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        asked: list[bool] = []

        def no_password() -> str:
            """Answer for the user, whom OpenSSL would ask at the terminal."""
            asked.append(True)
            return ""

        try:
            context.load_cert_chain(self._certificate, self._key, password=no_password)
        except ssl.SSLError as error:
            raise UnusableCertificate(_why(error, has_password=bool(asked))) from error
        return context


def _check_readable(setting: str, path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        cause = os.strerror(error.errno) if error.errno else error
        raise UnusableCertificate(f"{setting}: {path} cannot be read: {cause}") from error


def _why(error: ssl.SSLError, *, has_password: bool) -> str:
    if has_password:
        return "TLS_KEY: the key has a password; it must have none"
    if error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"):
        return "TLS_KEY: the key is not that of the certificate in TLS_CERT"
    return f"TLS_CERT and TLS_KEY must be PEM files with a certificate and its key: {error.reason or error}"
