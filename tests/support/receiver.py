"""A small HTTP server that clients name to the gateway: it records what it is sent and answers what a test wants."""

import contextlib
import http.server
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Request:
    """What arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """What is answered. ``slow_s``: before each of its bytes."""

    status: int = 204
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    slow_s: float = 0.0


class Receiver:
    """``answer``: decides about each request."""

    def __init__(self, host: str, port: int) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request], Answer] = lambda _: Answer()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                request = Request(self.command, self.path, headers, body)
                receiver.requests.append(request)
                answer = receiver.answer(request)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(answer.body)))
                self.end_headers()
                if not answer.slow_s:
                    self.wfile.write(answer.body)
                    return
                for byte in answer.body:
                    time.sleep(answer.slow_s)
                    self.wfile.write(bytes([byte]))

            do_GET = do_PUT = do_POST

            def log_message(self, *_: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                pass  # a client that goes away is what some tests want

        self.server = Server((host, port), Handler)
        self.host = host
        self.port = self.server.server_address[1]
        self.url = f"http://{host}:{self.port}"


@contextlib.contextmanager
def receiver(host: str = "127.0.0.1", port: int = 0) -> Iterator[Receiver]:
    """Each address of 127.0.0.0/8 is one of this machine's (Linux), so one may be allowed and another not."""
    found = Receiver(host, port)
    serving = threading.Thread(target=found.server.serve_forever, args=(0.05,), daemon=True)
    serving.start()
    try:
        yield found
    finally:
        found.server.shutdown()
        found.server.server_close()
        serving.join()
