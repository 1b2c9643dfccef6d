"""Where the daemon listens, and how: its Unix socket, TCP, and one server for both.

Which of the two a connection came through is asked of its socket. Only a Unix socket, which its
permissions guard, leads to the API itself; whatever else there is leads to the guard.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import math
import os
import socket
import stat
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from boardsync.config.http import Address
from boardsync.errors import NeedsPerson
from boardsync.web.guard import LARGEST_HEAD, App, reaches_beyond

GRACE_SECONDS = 2
"""How long a stopping daemon lets a request finish. Who waits for a pass was answered before."""
HEAD_SECONDS = 10.0
"""Until all of a request's head has arrived over TCP."""
MOST_CONNECTIONS = 64
"""Of TCP, at one time: each one is an open file, and the mirrors need theirs."""
_NOT_OURS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
# uvicorn warns of everything that is no request: whoever reaches the port could fill the log.
_quiet = logging.getLogger("uvicorn.error.tcp")
_quiet.setLevel(logging.ERROR)


class Server(uvicorn.Server):
    """uvicorn without its signal handlers, which are the service's, and without its ticking."""

    def __init__(self, api: App, guarded: App, *, head_seconds: float = HEAD_SECONDS) -> None:
        make = partial(Connection, guarded=guarded, others=set(), head_seconds=head_seconds)
        super().__init__(
            uvicorn.Config(
                api,
                http=make,  # type: ignore[arg-type]
                ws="none", lifespan="off", log_config=None, access_log=False,
                proxy_headers=False, server_header=False, date_header=False,
                h11_max_incomplete_event_size=LARGEST_HEAD,
                timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )  # fmt: skip
        self._ended = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        """Wait for the end; uvicorn would wake ten times a second to look for it."""
        await self.on_tick(0)
        await self._ended.wait()

    def end(self, grace: float = GRACE_SECONDS) -> None:
        """Ask for the end. grace: so many seconds requests that are under way may take."""
        self.config.timeout_graceful_shutdown = math.ceil(grace)
        self.should_exit = True
        self._ended.set()

    def cut_off(self) -> None:
        """Let go of all connections that are left."""
        self.force_exit = True
        for task in list(self.server_state.tasks):
            task.cancel()
        for connection in list(self.server_state.connections):
            connection.transport.abort()


class Connection(H11Protocol):
    """One connection. others: those of TCP that are open."""

    def __init__(
        self, *, guarded: App, others: set[Connection], head_seconds: float, **arguments: Any
    ) -> None:
        super().__init__(**arguments)
        self._api, self.app = self.app, guarded
        self._others = others
        self._head_seconds = head_seconds
        self._over_tcp = True
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if transport.get_extra_info("socket").family == socket.AF_UNIX:
            self.app, self._over_tcp = self._api, False
            return
        self.logger = _quiet
        self._others.add(self)
        if len(self._others) > MOST_CONNECTIONS:
            transport.abort()
            return
        self._mind_the_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._over_tcp:
            self._mind_the_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._others.discard(self)
        self._forget_deadline()
        super().connection_lost(exc)

    def _mind_the_head(self) -> None:
        """Give whoever has begun a request some seconds to say what they want."""
        if self.conn.their_state is not h11.IDLE:
            self._forget_deadline()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self._head_seconds, self.transport.abort)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def listen_on_tcp(address: Address, ours: Sequence[socket.socket] = ()) -> list[socket.socket]:
    """Listen at an address; a name may stand for several. Raises NeedsPerson.

    ours: what this process listens at already, and lets go of soon; that is no hindrance. Of
    several, one that this machine does not have is left out: `localhost` is often also an
    address of IPv6, where there is none.
    """
    made: list[socket.socket] = []
    missing: OSError | None = None
    overlap = [one for one in ours if one.getsockname()[1] == address.port]
    try:
        _share_ports(overlap, True)
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        for family, place in sorted({(entry[0], entry[4]) for entry in found}):
            both = address.is_wildcard and family == socket.AF_INET6
            dual = both and socket.has_dualstack_ipv6()
            try:
                made.append(
                    socket.create_server(
                        place, family=family, dualstack_ipv6=dual, reuse_port=bool(overlap)
                    )
                )
            except OSError as error:
                if error.errno not in _NOT_OURS:
                    raise
                missing = error
        if not made and missing is not None:
            raise missing
    except OSError as error:
        for one in made:
            one.close()
        raise NeedsPerson(
            f"{address}: the daemon cannot listen there: {error.strerror or error}; set another"
            " `http: listen`, or null for none"
        ) from error
    finally:
        _share_ports([*overlap, *made], False)
    return made


def _share_ports(sockets: Sequence[socket.socket], shared: bool) -> None:
    """Let others of this user listen at the same ports, or no longer."""
    for one in sockets:
        if one.fileno() >= 0:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, shared)


def any_exposed(sockets: list[socket.socket]) -> bool:
    """Tell whether other machines can reach any of these."""
    return any(reaches_beyond(str(one.getsockname()[0])) for one in sockets)


def listen_on_path(path: Path) -> socket.socket:
    """Make the socket. Nobody can connect before it listens, and then only its owner may."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _make_way(path)
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.bind(os.fspath(path))
            path.chmod(0o600)
            made.listen()
        except BaseException:
            made.close()
            raise
    except OSError as error:
        raise NeedsPerson(
            f"{path}: the control socket cannot be made there: {error.strerror or error}; set"
            " another `socket`, or null for none"
        ) from error
    return made


def _make_way(path: Path) -> None:
    """Remove the socket of a process that is gone. Anything else there is not ours to remove."""
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(kind):
        raise NeedsPerson(f"{path}: is there and no socket; set another `socket`")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        # One that is too busy to answer is alive, too.
        asking.settimeout(1.0)
        try:
            asking.connect(os.fspath(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except (TimeoutError, BlockingIOError):
            pass
    raise NeedsPerson(
        f"{path}: another boardsync, with another state, listens there; set another `socket`"
    )


def remove_socket(path: Path, inode: int) -> None:
    """Remove the socket, if it is still the one that was made."""
    with contextlib.suppress(FileNotFoundError):
        if path.lstat().st_ino == inode:
            path.unlink()
