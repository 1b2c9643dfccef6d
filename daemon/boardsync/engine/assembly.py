"""Puts the parts together, in one place: servers and wrappers, mirrors, carriers, workers."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Connection

from boardsync import __version__
from boardsync.config.model import (
    DirectorySettings,
    InvokeAISettings,
    MirrorSettings,
    ServerSettings,
    Settings,
)
from boardsync.engine.carrier import AtOnce, Carrier
from boardsync.engine.clock import Clock, SystemClock
from boardsync.engine.context import Mirror
from boardsync.engine.gate import Gate
from boardsync.engine.worker import Worker
from boardsync.files.disk import SYSTEM, Disk
from boardsync.local.trash import LocalTrash, open_trash
from boardsync.servers.directory import DirectoryServer
from boardsync.servers.invokeai import InvokeAIServer
from boardsync.servers.port import Server
from boardsync.servers.wrappers import Meter, Policy, compose
from boardsync.state import observations, places, transfers
from boardsync.state.database import State
from boardsync.telemetry import names
from boardsync.telemetry.counters import counters


@dataclass(slots=True)
class Assembly:
    """Everything that runs on one state."""

    settings: Settings
    state: State
    clock: Clock
    servers: dict[str, Server] = field(default_factory=dict)
    gates: dict[str, Gate] = field(default_factory=dict)
    mirrors: list[Mirror] = field(default_factory=list)
    carriers: dict[str, Carrier] = field(default_factory=dict)
    workers: dict[str, Worker] = field(default_factory=dict)

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
    built = Assembly(settings, state, clock or SystemClock())
    for name, server in settings.servers.items():
        built.servers[name] = (servers or {}).get(name) or _server(settings, state, name, server)
        built.gates[name] = Gate(name, built.clock)
    for one in settings.mirrors:
        built.mirrors.append(await _mirror(built, one, disk))
    for name, server in settings.servers.items():
        mirrors = [mirror for mirror in built.mirrors if mirror.settings.server == name]
        if mirrors:
            steps = mirrors[0].server.capabilities.changes_at_once
            at_once = AtOnce(server.uploads_at_once, server.downloads_at_once, steps)
            carrier = Carrier(state, built.clock, built.gates[name], mirrors, at_once)
            built.carriers[name] = carrier
            for mirror in mirrors:
                built.workers[mirror.name] = Worker(mirror, carrier, settings.schedule)
    return built


def _server(settings: Settings, state: State, name: str, server: ServerSettings) -> Server:
    keys = [one.id for one in settings.mirrors if one.server == name]
    with state.read() as connection:
        used_before = places.any_listed(connection, keys)
    return make_server(name, server, used_before=used_before)


def make_server(
    name: str, settings: ServerSettings, meter: Meter | None = None, *, used_before: bool = False
) -> Server:
    """Make one server with its wrappers: retried, limited, throttled and metered."""
    policy = Policy(
        uploads_at_once=settings.uploads_at_once,
        downloads_at_once=settings.downloads_at_once,
        bandwidth_up=settings.bandwidth_up,
        bandwidth_down=settings.bandwidth_down,
    )
    bare = bare_server(name, settings, used_before=used_before)
    return compose(bare, policy, meter or CountingMeter(name))


def bare_server(name: str, settings: ServerSettings, *, used_before: bool) -> Server:
    """Make one server as its kind is, without wrappers.

    used_before: a directory server must find its marker again; an empty mount point is not it.
    """
    if isinstance(settings, DirectorySettings):
        return DirectoryServer(name, settings.path, used_before=used_before)
    assert isinstance(settings, InvokeAISettings)  # noqa: S101
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
        counters.add(names.SERVER_SECONDS, seconds, **labels)
        counters.add(names.SERVER_BYTES_SENT, sent, server=self._server)
        counters.add(names.SERVER_BYTES_RECEIVED, received, server=self._server)


def _enter(settings: MirrorSettings, c: Connection) -> int:
    """Return the mirror's number. What was refused under other limits is looked at again."""
    number = places.mirror_id(c, settings.id)
    limits = f"{__version__} {settings.max_bytes} {settings.max_pixels}"
    if places.note_limits(c, number, limits):
        observations.forgive_all(c, number)
        transfers.forget_refusals(c, number, None, None)
    if settings.boards is None:
        places.retire_subfolders(c, number)
    return number


def _trash(settings: MirrorSettings, disk: Disk) -> LocalTrash:
    configured = settings.trash.folder
    return open_trash(
        os.fsencode(settings.folder),
        None if configured is None else os.fsencode(configured),
        settings.id,
        disk,
    )


async def _mirror(built: Assembly, settings: MirrorSettings, disk: Disk) -> Mirror:
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
        trash=_trash(settings, disk),
        host=platform.node() or "this machine",
        disk=disk,
    )
