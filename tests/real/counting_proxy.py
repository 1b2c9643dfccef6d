"""A TCP forwarder that writes down every HTTP request line that passes. For counting only."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from collections.abc import Iterator

_REQUEST = re.compile(rb"(?:^|\r\n|\})(GET|POST|PUT|PATCH|DELETE|HEAD) (\S+) HTTP/1\.1\r\n")


class CountingProxy:
    """Forwards a free loopback port to another one."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.requests: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                for pair in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pump, args=pair, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError), source, sink:
            while chunk := source.recv(1 << 16):
                if counted:
                    for method, path in _REQUEST.findall(chunk):
                        self.requests.append(f"{method.decode()} {path.decode()}")
                sink.sendall(chunk)


@contextlib.contextmanager
def counting(port: int) -> Iterator[CountingProxy]:
    """Count the requests to a loopback port while the body runs."""
    proxy = CountingProxy(port)
    try:
        yield proxy
    finally:
        proxy.close()
