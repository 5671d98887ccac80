"""Address and options of a listening TCP socket."""

import errno
import ipaddress
import os
import socket

DEFAULT_ADDRESS = "127.0.0.1"

BACKLOG = 1024
_OTHER_HOST = "STT_HOST or --host names an address, such as 127.0.0.1 or 0.0.0.0"
UNREAD_TIMEOUT_MS = 30_000
"""Time after which a connection is dropped whose peer leaves data unacknowledged, even if it is already closed."""


def listening_address(stt_host: str | None, host: str) -> str:
    """Return the address to listen on, from STT_HOST or else HOST.

    HOST counts only as an IP address or ``localhost``: csh exports it as the machine's name, and conda as a platform's.
    """
    if stt_host:
        return stt_host
    return host if host == "localhost" or _is_ip(host) else DEFAULT_ADDRESS


def is_loopback(address: str) -> bool:
    """Return whether only this machine reaches what listens on an address; False for any name but ``localhost``."""
    return address == "localhost" or (_is_ip(address) and ipaddress.ip_address(address).is_loopback)


def note_of_ignored_host(stt_host: str | None, host: str) -> str | None:
    """Return a note for the user if HOST is set to something that does not count, otherwise None."""
    if stt_host or host == listening_address(None, host):
        return None
    return f"HOST={host} is ignored, since it is no IP address; STT_HOST names the address to listen on"


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class CannotListen(OSError):
    """Raised for an address that cannot be listened on; the message is for the operator."""


def open_listener(host: str, port: int) -> socket.socket:
    """Open a listening TCP socket; port 0 picks a free one, ``::`` is for the addresses of IPv4 too.

    Raises CannotListen.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError) as error:
        # UnicodeError: a label of the name is empty or longer than 63 characters.
        cause = getattr(error, "strerror", None) or "it is no host name"
        raise CannotListen(f"cannot listen on {host}: {cause}; {_OTHER_HOST}") from error
    both = family == socket.AF_INET6 and address[0] == "::" and socket.has_dualstack_ipv6()
    try:
        # It listens already here: two processes may both bind an address that nobody listens on yet.
        listener = socket.create_server(address[:2], family=family, backlog=BACKLOG, dualstack_ipv6=both)
    except OSError as error:
        raise CannotListen(_why_not(error, host, port)) from error
    drop_dead_peers(listener)
    return listener


def _why_not(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return f"port {port} is in use; choose another with PORT=… or --port"
        case errno.EACCES:
            return f"no permission to listen on port {port}; choose one above 1023 with PORT=… or --port"
        case errno.EADDRNOTAVAIL:
            return f"cannot listen on {host}: no address of this machine; {_OTHER_HOST}"
        case code:
            return f"cannot listen on {host}: {os.strerror(code) if code else error}; {_OTHER_HOST}"


def drop_dead_peers(listener: socket.socket) -> None:
    """Make the kernel drop connections of ``listener`` whose peers are gone; accepted sockets inherit this (Linux)."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_TIMEOUT_MS)
