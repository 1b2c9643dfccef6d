"""New settings while the daemon runs: what changed is set up anew, the rest is not touched.

Either all of the new settings come into force or none of them. What can fail is prepared first;
then what needs nothing set up anew takes effect at once. A mirror whose settings changed ends and
begins again, as with a restart; one whose server changed, too: its transfers under way finish
before, and nothing new of it begins.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from boardsync.config.model import MirrorSettings, Settings
from boardsync.engine.assembly import Assembly, open_trash_of
from boardsync.engine.changes import Change, Follower, prepare_all
from boardsync.engine.crew import Crew
from boardsync.engine.rights import require_rights
from boardsync.engine.secret_prints import print_secrets
from boardsync.engine.sweep import sweep
from boardsync.errors import BoardsyncError, SettingsError
from boardsync.servers.port import Server
from boardsync.state import transfers

NEED_A_RESTART = ("state", "socket")
"""The settings that cannot change while the daemon runs: it is known by them."""
SET_UP_ANEW = ("servers", "mirrors")
AT_ONCE = tuple(
    name for name in Settings.model_fields if name not in (*NEED_A_RESTART, *SET_UP_ANEW)
)
"""The sections that take effect at once."""


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

    begun, ended, changed: mirrors. servers: those that are spoken to anew, or no longer. sections:
    what took effect at once. remarks: what of it did not, and why.
    """

    begun: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    servers: list[str] = field(default_factory=list)
    schedule: bool = False
    sections: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def touched(self) -> bool:
        """Whether anything is set up anew."""
        return bool(self.begun or self.ended or self.changed or self.servers)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Reload:
    """One change from the settings that an assembly has to others.

    Making and preparing one does all that can fail for a reason that a person can mend; nothing
    of the running daemon is touched before `take_effect`. followers: parts that prepare changes of
    their own. Raises SettingsError.
    """

    def __init__(
        self, assembly: Assembly, crew: Crew, settings: Settings,
        followers: Sequence[Follower] = (),
    ) -> None:  # fmt: skip
        _refuse_what_needs_a_restart(assembly.settings, settings)
        self._assembly, self._crew = assembly, crew
        self._old, self._new = assembly.settings, settings
        self._secrets = print_secrets(settings.servers)
        self._renewed = {name for name in self._old.servers | self._new.servers
                         if self._is_another(name)}  # fmt: skip
        self._leaving = [one for one in self._old.mirrors if self._changes(one, self._new)]
        self._coming = [one for one in self._new.mirrors if self._changes(one, self._old)]
        self._followers, self._changes_at_once = followers, list[Change]()
        self._made: dict[str, Server] = {}
        self.told = self._tell()

    async def prepare(self) -> None:
        """Make the new servers, which talk to nobody yet, and whatever else can fail.

        Raises SettingsError; then nothing is left of it.
        """
        try:
            require_rights(self._new)
            for one in self._coming:
                await asyncio.to_thread(open_trash_of, one, self._assembly.disk)
            for name in self._new.servers:
                if name in self._renewed:
                    self._made[name] = self._assembly.make_server(name, self._new)
            self._changes_at_once = await prepare_all(self._followers, self._new)
        except BaseException:
            await _close(self._made.values())
            raise

    def take_effect(self) -> None:
        """Put in force what needs nothing set up anew: all at once, between two moments."""
        at_once = {name: getattr(self._new, name) for name in AT_ONCE}
        self._assembly.follow(self._old.model_copy(update=at_once))
        for worker in self._assembly.workers.values():
            worker.follow(self._new.schedule)
        sections = {name for name in AT_ONCE if at_once[name] != getattr(self._old, name)}
        for change in self._changes_at_once:
            sections.add(change.name)
            self.told.remarks.extend(change.make() or ())
        self.told.sections.extend(sorted(sections))

    async def carry_out(self) -> None:
        """Set up anew what changed; if that fails, the daemon must end.

        Otherwise there would be mirrors that nobody works for.
        """
        assembly = self._assembly
        drain = self._new.schedule.drain
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
    for name in NEED_A_RESTART:
        if getattr(old, name) != getattr(new, name):
            raise SettingsError(
                f"`{name}` cannot change while boardsync runs: that needs a restart; start it anew,"
                " or set it back and reload again. Until then nothing of the new settings counts"
            )
