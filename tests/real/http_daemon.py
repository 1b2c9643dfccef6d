"""A real daemon that listens on TCP, as a process of its own."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from cli.place_kit import Daemon, Place

TOKEN = "fuzz-me-5f1d9f0c2b7a4e6881d3"


@dataclass(frozen=True)
class HttpDaemon:
    """Where it listens."""

    place: Place
    daemon: Daemon
    url: str

    def client(self, *, token: bool = False) -> httpx.Client:
        headers = {"authorization": f"Bearer {TOKEN}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=20)


@contextmanager
def http_daemon(base: Path, *, host: str = "127.0.0.1", more: str = "") -> Iterator[HttpDaemon]:
    """Run a daemon that mirrors four pictures, one of them refused."""
    place = Place(base)
    with socket.socket() as asking:
        asking.bind((host, 0))
        port = asking.getsockname()[1]
    token = base / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    listen = f"listen: '{host}:{port}', token: {{file: {token}}}"
    place.configure(more=f"http: {{{listen}, allowed_hosts: [boardsync.example]}}\n{more}")
    for seed in (1, 2, 3):
        place.picture(f"{seed}.png", seed=seed)
    place.picture("torn.png", content=place.picture("4.png", seed=4)[:-20])
    with place.daemon() as daemon:
        yield HttpDaemon(place, daemon, f"http://127.0.0.1:{port}")
