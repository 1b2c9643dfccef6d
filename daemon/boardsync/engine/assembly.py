"""Puts the parts together, in one place: servers and wrappers, mirrors, carriers, workers."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection

from boardsync import __version__
from boardsync.config.model import (
    DirectorySettings,
    InvokeAISettings,
    LimitSettings,
    MirrorSettings,
    ServerSettings,
    Settings,
)
from boardsync.engine.brake import Brake, Pauses
from boardsync.engine.carrier import Carrier
from boardsync.engine.clock import Clock, SystemClock
from boardsync.engine.context import Mirror
from boardsync.engine.due import AtOnce
from boardsync.engine.gate import Gate
from boardsync.engine.passes import Look, Pass
from boardsync.engine.rights import ownership_of
from boardsync.engine.secret_prints import print_secrets
from boardsync.engine.wall import Wall, zone_of
from boardsync.engine.worker import Worker
from boardsync.files.disk import SYSTEM, Disk
from boardsync.local.trash import LocalTrash, open_trash
from boardsync.picture.decode import reads_heif
from boardsync.servers.directory import DirectoryServer
from boardsync.servers.port import Server
from boardsync.servers.wrappers import Bandwidth, Meter, Policy, Shared, Slots, compose
from boardsync.state import observations, places, transfers
from boardsync.state.database import State
from boardsync.telemetry import names
from boardsync.telemetry.counters import counters

Passed = Callable[[Mirror, Look, Pass], None]


def nobody(_: Mirror, __: Look, ___: Pass) -> None:
    """Nobody listens."""


@dataclass(slots=True)
class Assembly:
    """Everything that runs on one state.

    settings: those in force. Whoever needs one asks here each time: they change while we run.
    passed: hears of every pass of every mirror.
    """

    settings: Settings
    state: State
    clock: Clock
    servers: dict[str, Server] = field(default_factory=dict)
    gates: dict[str, Gate] = field(default_factory=dict)
    pauses: Pauses = field(init=False)
    shared: Shared = field(init=False)
    mirrors: list[Mirror] = field(default_factory=list)
    carriers: dict[str, Carrier] = field(default_factory=dict)
    workers: dict[str, Worker] = field(default_factory=dict)
    disk: Disk = SYSTEM
    given: Mapping[str, Server] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    passed: Passed = nobody

    def limits(self) -> LimitSettings:
        """Return the limits in force."""
        return self.settings.limits

    def wall(self) -> Wall:
        """Return the clock that the settings' times are read from."""
        return Wall(self.clock, zone_of(self.limits().timezone))

    def follow(self, settings: Settings) -> None:
        """Put other settings in force, and wake whoever waits because of those before.

        Of mirrors and servers nothing is set up anew.
        """
        with self.shared.changing():
            self.settings = settings
        for mirror in self.mirrors:
            mirror.brake.look_again()
        self.wake()

    def wake(self) -> None:
        """Have everybody see anew what may start."""
        for worker in self.workers.values():
            worker.wake()
        for carrier in self.carriers.values():
            carrier.wake()

    def make_server(self, name: str, settings: Settings) -> Server:
        """Make a server of some settings, or take the one that was given. Talks to nobody.

        Raises SettingsError for a password or a certificate that cannot be read.
        """
        own = self.given.get(name)
        if own is not None:
            return own
        keys = [one.id for one in settings.mirrors if one.server == name]
        with self.state.read() as connection:
            used_before = places.any_listed(connection, keys)
        return make_server(
            name, settings.servers[name], used_before=used_before, wall=self.wall,
            shared=self.shared, keep=place_to_keep(settings.state, name),
        )  # fmt: skip

    def add_server(self, name: str, server: Server) -> None:
        """Take a server in. Nobody has asked it anything yet: its gate is open."""
        self.servers[name] = server
        self.gates[name] = Gate(name, self.clock)

    async def add_mirror(self, settings: MirrorSettings) -> Mirror:
        """Take a mirror in, whose server is there already."""
        mirror = await _mirror(self, settings)
        self.mirrors.append(mirror)
        return mirror

    def add_carrier(self, name: str) -> Carrier:
        """Make the one that carries the transfers of a server's mirrors."""
        server = self.settings.servers[name]
        mirrors = [mirror for mirror in self.mirrors if mirror.settings.server == name]
        steps = self.servers[name].capabilities.changes_at_once
        at_once = AtOnce(server.uploads_at_once, server.downloads_at_once, steps)
        carrier = Carrier(self.state, self.clock, self.gates[name], mirrors, at_once)
        self.carriers[name] = carrier
        return carrier

    def add_worker(self, mirror: Mirror) -> Worker:
        """Make the one that makes a mirror's passes."""
        carrier = self.carriers[mirror.settings.server]
        worker = Worker(mirror, carrier, self.settings.schedule)
        # Asked each time: who listens may begin after the workers were made.
        worker.passed = lambda look, done: self.passed(mirror, look, done)
        self.workers[mirror.name] = worker
        return worker

    def __post_init__(self) -> None:
        self.pauses = Pauses(self.state)
        self.shared = Shared(
            up=Bandwidth(lambda: self.wall().rate(self.limits().bandwidth_up)),
            down=Bandwidth(lambda: self.wall().rate(self.limits().bandwidth_down)),
            at_once=Slots(lambda: self.limits().transfers_at_once),
        )

    async def close(self) -> None:
        """Let go of all connections."""
        for server in self.servers.values():
            await server.aclose()


async def assemble(
    settings: Settings,
    state: State,
    clock: Clock | None = None,
    servers: Mapping[str, Server] | None = None,
    disk: Disk = SYSTEM,
) -> Assembly:
    """Build what the settings describe. Talks to no server.

    servers: used instead of those that the settings describe, by name; disk: where folders
    lie; for tests.
    """
    built = Assembly(
        settings, state, clock or SystemClock(), disk=disk, given=dict(servers or {})
    )  # fmt: skip
    built.secrets = print_secrets(settings.servers)
    for name in settings.servers:
        built.add_server(name, built.make_server(name, settings))
    for one in settings.mirrors:
        await built.add_mirror(one)
    for name in settings.servers:
        if any(mirror.settings.server == name for mirror in built.mirrors):
            built.add_carrier(name)
    for mirror in built.mirrors:
        built.add_worker(mirror)
    return built


def make_server(
    name: str, settings: ServerSettings, meter: Meter | None = None, *, used_before: bool = False,
    wall: Callable[[], Wall] | None = None, shared: Shared | None = None,
    keep: bytes | None = None,
) -> Server:  # fmt: skip
    """Make one server with its wrappers: retried, limited, throttled and metered.

    wall: tells rates by time. shared: what it has in common with the others. keep: where
    pictures are saved that a server without a trash deletes.
    """
    here = wall or partial(Wall, SystemClock(), zone_of(None))
    policy = Policy(
        uploads_at_once=settings.uploads_at_once,
        downloads_at_once=settings.downloads_at_once,
        bandwidth_up=lambda: here().rate(settings.bandwidth_up),
        bandwidth_down=lambda: here().rate(settings.bandwidth_down),
        shared=shared or Shared(),
    )
    bare = bare_server(name, settings, used_before=used_before)
    return compose(bare, policy, meter or CountingMeter(name), keep)


def place_to_keep(state: Path, server: str) -> bytes:
    """Return the directory, beside the state, where a server's deleted pictures are saved."""
    own = quote(server, safe="").replace(".", "%2E")
    return os.path.join(os.fsencode(state) + b"-kept", os.fsencode(own))


def bare_server(name: str, settings: ServerSettings, *, used_before: bool) -> Server:
    """Make one server as its kind is, without wrappers.

    used_before: a directory server must find its marker again; an empty mount point is not it.
    """
    if isinstance(settings, DirectorySettings):
        return DirectoryServer(name, settings.path, used_before=used_before)
    assert isinstance(settings, InvokeAISettings)  # noqa: S101
    # It brings an HTTP client along, which a daemon of directories would hold for nothing.
    from boardsync.servers.invokeai import InvokeAIServer

    return InvokeAIServer(
        name,
        settings.url,
        email=settings.email,
        password=settings.password.reveal() if settings.password else None,
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        ca_file=settings.ca_file,
        verify_tls=settings.verify_tls,
        paced="uploads_at_once" not in settings.model_fields_set,
    )


class CountingMeter:
    """Adds what a server's calls cost to the process's counters."""

    def __init__(self, server: str) -> None:
        self._server = server

    def observe(
        self, operation: str, seconds: float, outcome: str, sent: int, received: int
    ) -> None:
        labels = {"server": self._server, "operation": operation, "outcome": outcome}
        counters.add(names.SERVER_CALLS, 1, **labels)
        counters.observe(
            names.SERVER_SECONDS, seconds, server=self._server, operation=operation
        )  # fmt: skip
        counters.add(names.SERVER_BYTES_SENT, sent, server=self._server)
        counters.add(names.SERVER_BYTES_RECEIVED, received, server=self._server)

    def retried(self, operation: str) -> None:
        counters.add(names.SERVER_RETRIES, server=self._server, operation=operation)


def _enter(settings: MirrorSettings, c: Connection) -> int:
    """Return the mirror's number. What was refused under other limits is looked at again."""
    number = places.mirror_id(c, settings.id)
    limits = f"{__version__} {settings.max_bytes} {settings.max_pixels}"
    limits += " heif" if reads_heif() else ""
    if settings.prepare.asks:
        limits += f" {settings.prepare.model_dump_json(exclude_defaults=True)}"
    if places.note_limits(c, number, limits):
        observations.forgive_all(c, number)
        transfers.forget_refusals(c, number, None, None)
    if settings.boards is None:
        places.retire_subfolders(c, number)
    return number


def open_trash_of(settings: MirrorSettings, disk: Disk) -> LocalTrash:
    """Return a mirror's trash. Makes nothing; raises what `open_trash` raises."""
    configured = settings.trash.folder
    return open_trash(
        os.fsencode(settings.folder),
        None if configured is None else os.fsencode(configured),
        settings.id,
        disk,
    )


def _brake(built: Assembly, settings: MirrorSettings) -> Brake:
    own = built.settings.servers[settings.server].quiet
    return Brake(settings.id, settings.server, built.clock, built.pauses, built.limits, tuple(own))


async def _mirror(built: Assembly, settings: MirrorSettings) -> Mirror:
    number = await built.state.write(partial(_enter, settings))
    return Mirror(
        settings=settings,
        number=number,
        root=os.fsencode(settings.folder),
        layout=settings.layout,
        server=built.servers[settings.server],
        gate=built.gates[settings.server],
        state=built.state,
        clock=built.clock,
        trash=open_trash_of(settings, built.disk),
        host=platform.node() or "this machine",
        disk=built.disk,
        brake=_brake(built, settings),
        ownership=ownership_of(settings.pull),
    )
