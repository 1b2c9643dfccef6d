"""New settings while the daemon runs: what changed is set up anew, the rest is not touched.

Transfers under way finish under the settings they began with. A mirror whose settings changed
ends and begins again, as with a restart; one whose server changed, too. Until then nothing new
of it begins.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from boardsync.config.model import MirrorSettings, Settings
from boardsync.engine.assembly import Assembly, open_trash_of
from boardsync.engine.crew import Crew
from boardsync.engine.secret_prints import print_secrets
from boardsync.engine.sweep import sweep
from boardsync.errors import BoardsyncError, SettingsError
from boardsync.servers.port import Server
from boardsync.state import transfers

IN_PLACE = frozenset({"log", "schedule", "servers", "mirrors"})
"""The settings that can change while the daemon runs. Every other one needs a restart."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Where settings come from, and what else follows them.

    read: raises SettingsError with all that is wrong. apply: told of those that were taken.
    """

    read: Callable[[], Settings]
    apply: Callable[[Settings], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What became of the mirrors and servers, by name; those that went on are in none of these.

    begun, ended, changed: mirrors. servers: those that are spoken to anew, or no longer.
    """

    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    servers: list[str] = field(default_factory=list)
    schedule: bool = False

    @property
    def touched(self) -> bool:
        """Whether anything is set up anew."""
        return bool(self.begun or self.ended or self.changed or self.servers)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Reload:
    """One change from the settings that an assembly has to others.

    Making one prepares all that can fail for a reason that a person can mend; nothing of the
    running daemon is touched before `carry_out`. Raises SettingsError.
    """

    def __init__(self, assembly: Assembly, crew: Crew, settings: Settings) -> None:
        _refuse_what_needs_a_restart(assembly.settings, settings)
        self._assembly, self._crew = assembly, crew
        self._old, self._new = assembly.settings, settings
        self._secrets = print_secrets(settings.servers)
        self._renewed = {name for name in self._old.servers | self._new.servers
                         if self._is_another(name)}  # fmt: skip
        self._leaving = [one for one in self._old.mirrors if self._changes(one, self._new)]
        self._coming = [one for one in self._new.mirrors if self._changes(one, self._old)]
        self._made: dict[str, Server] = {}
        self.told = self._tell()

    async def prepare(self) -> None:
        """Make the new servers, which talk to nobody yet. Raises SettingsError."""
        try:
            for one in self._coming:
                await asyncio.to_thread(open_trash_of, one, self._assembly.disk)
            for name in self._new.servers:
                if name in self._renewed:
                    self._made[name] = self._assembly.make_server(name, self._new)
        except BaseException:
            await _close(self._made.values())
            raise

    async def carry_out(self) -> None:
        """Apply it. What fails here leaves mirrors that nobody works for: the daemon must end."""
        assembly = self._assembly
        drain = self._new.schedule.drain
        at_once = {"log": self._new.log, "schedule": self._new.schedule}
        assembly.settings = self._old.model_copy(update=at_once)
        for worker in assembly.workers.values():
            worker.follow(self._new.schedule)
        await asyncio.gather(*(self._end(one, drain) for one in self._leaving))
        retired = await self._end_servers()
        try:
            assembly.settings = self._new
            await self._begin_all()
        finally:
            await _close(retired)

    def _is_another(self, name: str) -> bool:
        """Tell whether a server is new, gone, or not what it was; its secrets count, too."""
        if self._old.servers.get(name) != self._new.servers.get(name):
            return True
        return self._secrets.get(name) != self._assembly.secrets.get(name)

    def _changes(self, mirror: MirrorSettings, other: Settings) -> bool:
        return mirror.server in self._renewed or mirror not in other.mirrors

    def _tell(self) -> Reloaded:
        before = {one.id: one.name for one in self._leaving}
        after = {one.id: one.name for one in self._coming}
        return Reloaded(
            begun=[name for key, name in after.items() if key not in before],
            ended=[name for key, name in before.items() if key not in after],
            changed=[name for key, name in after.items() if key in before],
            servers=sorted(self._renewed),
            schedule=self._old.schedule != self._new.schedule,
        )

    async def _end(self, settings: MirrorSettings, drain: float) -> None:
        """End the work for a mirror. Its links stay; what was not begun is planned anew."""
        assembly = self._assembly
        worker = assembly.workers[settings.name]
        mirror, carrier = worker.mirror, assembly.carriers[settings.server]
        await self._crew.end(worker, drain)
        await carrier.let_go(mirror.number)
        await assembly.state.write(lambda c: transfers.withdraw_unsent(c, mirror.number, ()))
        assembly.mirrors.remove(mirror)
        del assembly.workers[settings.name]

    async def _end_servers(self) -> list[Server]:
        """Let go of servers that changed, and of carriers that nobody needs; return the former."""
        assembly = self._assembly
        used = {one.server for one in self._new.mirrors}
        for name in list(assembly.carriers):
            if name in self._renewed or name not in used:
                await assembly.carriers[name].finish()
                del assembly.carriers[name]
        gone = self._renewed & assembly.servers.keys()
        for name in gone:
            del assembly.gates[name]
        return [assembly.servers.pop(name) for name in sorted(gone)]

    async def _begin_all(self) -> None:
        assembly = self._assembly
        for name, server in self._made.items():
            assembly.add_server(name, server)
        assembly.secrets = self._secrets
        coming = [await assembly.add_mirror(one) for one in self._coming]
        order = [one.id for one in self._new.mirrors]
        assembly.mirrors.sort(key=lambda mirror: order.index(mirror.key))
        for mirror in coming:
            if mirror.settings.direction.pulls:
                await sweep(mirror)
            name = mirror.settings.server
            if name in assembly.carriers:
                assembly.carriers[name].take_on(mirror)
            else:
                assembly.add_carrier(name).start()
        for mirror in coming:
            worker = assembly.add_worker(mirror)
            self._crew.begin(worker)
            worker.hint_everything("settings changed")


async def _close(servers: Iterable[Server]) -> None:
    for server in servers:
        with contextlib.suppress(BoardsyncError):
            await server.aclose()


def _refuse_what_needs_a_restart(old: Settings, new: Settings) -> None:
    for name in type(new).model_fields:
        if name not in IN_PLACE and getattr(old, name) != getattr(new, name):
            # Not with its value: nobody knows here what may be told of it.
            raise SettingsError(
                f"`{name}` cannot change while boardsync runs: that needs a restart"
            )
