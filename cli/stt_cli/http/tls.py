"""Whom the command line trusts when an address begins with https."""

import os
import ssl
from pathlib import Path

from stt_cli.errors import CliError

CA_VARIABLE = "STT_CA"


def trust(authority: Path | None) -> None:
    """Trust the authorities in this file too, in this process. Raises CliError if it holds none."""
    if authority is not None:
        os.environ[CA_VARIABLE] = str(authority)
        client_tls()


def client_tls() -> ssl.SSLContext:
    """Return TLS for a client: it trusts the system's authorities, or those of SSL_CERT_FILE, and those of STT_CA.

    Raises CliError if the file of STT_CA holds none.
    """
    context = ssl.create_default_context()
    if path := os.environ.get(CA_VARIABLE):
        try:
            context.load_verify_locations(path)
        except ssl.SSLError:
            raise CliError(f"--ca {path}: it holds no certificates in PEM", exit_code=2) from None
        except OSError as error:
            raise CliError(f"--ca {path}: it cannot be read: {error.strerror}", exit_code=2) from None
    return context


def launchers_tls() -> ssl.SSLContext:
    """Return TLS for the launcher, which asks its own child on this machine, by another name than its certificate's."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
