"""The way in over TCP: opened, closed and moved while the daemon runs.

A new address is bound before the old one is let go of, and requests that are under way there are
answered. The Unix socket is not touched by any of it.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from functools import partial

import structlog

from boardsync.config.http import Address
from boardsync.config.model import HttpSettings, Settings
from boardsync.engine.changes import Change
from boardsync.errors import NeedsPerson, SettingsError
from boardsync.web.guard import NOBODY, App, Guard, Rules, rules_for
from boardsync.web.listening import GRACE_SECONDS, Server, any_exposed

Listen = Callable[[Address, Sequence[socket.socket]], list[socket.socket]]
"""Listens at an address; beside what is listened at already, which may overlap with it."""
FINISH_SECONDS = 30.0
"""How long requests may still take at an address that is let go of."""

log = structlog.get_logger(__name__)


class Listener:
    """An address that is listened at, and who is let in there."""

    def __init__(
        self, app: App, address: Address, sockets: Sequence[socket.socket], rules: Rules
    ) -> None:
        self.address, self.sockets, self.rules = address, list(sockets), rules
        self._guard = Guard(app, rules)
        self.server = Server(app, self._guard)
        self._serving: asyncio.Task[None] | None = None

    def follow(self, rules: Rules) -> None:
        """Let others in from now on."""
        self.rules = rules
        self._guard.follow(rules)

    def start(self) -> None:
        """Answer from now on: who has connected since the sockets were made, too."""
        serving = self.server.serve(sockets=self.sockets)
        self._serving = asyncio.create_task(serving, name=f"listening at {self.address}")
        log.info("listening", address=str(self.address), other_machines=any_exposed(self.sockets))

    async def end(self, grace: float) -> None:
        """Accept nobody any more; return when the requests under way are answered or cut off."""
        if self._serving is not None:
            self.server.end(grace)
            await self._serving
            self.server.cut_off()
        self.close()

    def close(self) -> None:
        """Let go of the sockets."""
        for one in self.sockets:
            one.close()


class Tcp:
    """The way in over TCP that the settings ask for; none until they are followed.

    make_app: makes what answers, or returns it. listen: how it is listened.
    """

    def __init__(self, make_app: Callable[[], App], listen: Listen) -> None:
        self._make_app = make_app
        self._listen = listen
        self._now: Listener | None = None
        self._leaving: dict[asyncio.Task[None], Listener] = {}

    async def follow(self, settings: Settings) -> Change | None:
        """Prepare what other settings ask for. Raises SettingsError; then all is as it was."""
        try:
            return await self.prepare(settings.http)
        except NeedsPerson as error:
            raise SettingsError(str(error)) from error

    async def prepare(self, http: HttpSettings) -> Change | None:
        """Listen at the address of the settings, if that is another, and read the token again.

        Raises NeedsPerson for an address that cannot be listened at, and SettingsError for a
        token that cannot be used.
        """
        token = await asyncio.to_thread(http.reveal_token)
        now = self._now
        if http.listen is None:
            return None if now is None else Change("http", partial(self._move, None))
        if now is None or now.address != http.listen:
            return await self._prepare_move(http, http.listen, token)
        exposed = any_exposed(now.sockets)
        rules = rules_for(now.address, http.allowed_hosts, token, exposed=exposed)
        return None if rules == now.rules else Change("http", partial(now.follow, rules))

    async def _prepare_move(
        self, http: HttpSettings, address: Address, token: str | None
    ) -> Change:
        ours = [] if self._now is None else self._now.sockets
        sockets = await asyncio.to_thread(self._listen, address, ours)
        try:
            exposed = any_exposed(sockets)
            rules = rules_for(address, http.allowed_hosts, token, exposed=exposed)
            listener = Listener(self._make_app(), address, sockets, rules)
        except BaseException:
            for one in sockets:
                one.close()
            raise
        return Change("http", partial(self._move, listener), listener.close)

    def _move(self, listener: Listener | None) -> None:
        """Answer there instead. Where it was, no request begins any more."""
        before, self._now = self._now, listener
        if listener is not None:
            listener.start()
        if before is not None:
            before.follow(NOBODY if listener is None else listener.rules)
            leaving = asyncio.create_task(before.end(FINISH_SECONDS))
            self._leaving[leaving] = before
            leaving.add_done_callback(self._leaving.pop)
            log.info("no longer listening", address=str(before.address))

    async def close(self) -> None:
        """End everything: the daemon stops."""
        if self._now is not None:
            await self._now.end(GRACE_SECONDS)
        if self._leaving:
            _, late = await asyncio.wait(self._leaving, timeout=GRACE_SECONDS)
            for one in late:
                self._leaving[one].server.cut_off()
            await asyncio.gather(*late, return_exceptions=True)
