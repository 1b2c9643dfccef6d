"""A forwarder between a client and an HTTP server: counts requests, and loses answers to order."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator

_REQUEST = re.compile(rb"(?:^|\r\n|\})(GET|POST|PUT|PATCH|DELETE|HEAD) (\S+) HTTP/1\.1\r\n")


class CountingProxy:
    """Forwards a free loopback port to another one. lost: answers that were swallowed."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.requests: list[str] = []
        self.lost = 0
        self._lose: str | None = None
        self._every = 1
        self._seen = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def lose_answers_to(self, beginning: str | None, every: int = 1) -> None:
        """Swallow every n-th answer to requests that begin so, and cut the connection."""
        self._lose, self._every, self._seen = beginning, every, 0

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                doomed = threading.Event()
                for work, pair in ((self._up, (client, server)), (self._down, (server, client))):
                    threading.Thread(target=work, args=(*pair, doomed), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket, doomed: threading.Event) -> None:
        with contextlib.suppress(OSError), client, server:
            while chunk := client.recv(1 << 16):
                for method, path in _REQUEST.findall(chunk):
                    self._note(f"{method.decode()} {path.decode()}", doomed)
                server.sendall(chunk)

    def _down(self, server: socket.socket, client: socket.socket, doomed: threading.Event) -> None:
        with contextlib.suppress(OSError), client, server:
            while chunk := server.recv(1 << 16):
                if doomed.is_set():
                    self.lost += 1
                    # Closing alone would not wake the other thread, nor tell the client.
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(chunk)

    def _note(self, line: str, doomed: threading.Event) -> None:
        self.requests.append(line)
        if self._lose is not None and line.startswith(self._lose):
            self._seen += 1
            if self._seen % self._every == 0:
                doomed.set()


@contextlib.contextmanager
def counting(port: int) -> Iterator[CountingProxy]:
    """Count the requests to a loopback port while the body runs."""
    proxy = CountingProxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
