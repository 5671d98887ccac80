"""A reverse proxy that serves another server below a path and removes that path, as `location /stt/` of nginx does."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

_MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@contextlib.contextmanager
def path_proxy(target: str, prefix: str) -> Iterator[str]:
    """Serves ``target`` (a URL) below ``prefix``; yields the URL of that, without a slash at its end."""
    address = (urlsplit(target).hostname or "", urlsplit(target).port or 80)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            head, rest = _read_head(self.request)
            line, _, fields = head.partition(b"\r\n")
            method, _, path = line.partition(b" ")
            if not path.startswith(prefix.encode() + b"/"):
                self.request.sendall(_MISSING)
                return
            if b"upgrade: websocket" not in fields.lower():
                # One request a connection, so that every head is seen.
                fields = b"Connection: close\r\n" + b"\r\n".join(
                    field for field in fields.split(b"\r\n") if not field.lower().startswith(b"connection:")
                )
            with socket.create_connection(address) as server:
                server.sendall(method + b" " + path.removeprefix(prefix.encode()) + b"\r\n" + fields + rest)
                back = threading.Thread(target=_copy, args=(server, self.request), daemon=True)
                back.start()
                _copy(self.request, server)
                back.join()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}{prefix}"
        server.shutdown()


def _read_head(client: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = client.recv(65536)
        if not piece:
            break
        data += piece
    head, end, rest = data.partition(b"\r\n\r\n")
    return head, end + rest


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
