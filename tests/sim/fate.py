"""What happens to a world besides what people mean to do: faults, accidents and harm."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from sim.setup import FOLDER
from state.empty import empty_state

if TYPE_CHECKING:
    from sim.history import World


def harm_state(world: World) -> None:
    """Keep a copy of the state file; at times lose it, spoil it, or go back to an older copy."""
    copies = sorted(world.state.parent.glob("copy-*"))
    shutil.copy(world.state, world.state.parent / f"copy-{len(copies)}")
    harm = world.source.random()
    if harm > 0.12:
        return
    for path in world.state.parent.glob("state.db-*"):
        path.unlink()
    world.state_harmed = True
    if harm < 0.04:
        world.note("the state is lost")
        world.state.write_bytes(empty_state())
    elif harm < 0.08 or not copies:
        world.note("the state is damaged")
        world.state.write_bytes(b"\0" * 100 + world.state.read_bytes()[100:])
    else:
        number = world.source.randrange(len(copies))
        world.note(f"the state is that after life {number}")
        shutil.copy(world.state.parent / f"copy-{number}", world.state)


def act(world: World) -> None:
    """Let a person do something; at times clocks, servers and disks do something as well."""
    step, world.disk.step = world.disk.step, lambda _: None
    try:
        world.people.act()
    except OSError as error:
        world.note(f"person: cannot: {error}")
    finally:
        world.disk.step = step
    if world.source.random() < 0.03:
        seconds = world.source.choice((-3600.0, 3600.0, -40.0))
        world.note(f"the clock steps by {seconds}")
        world.clock.step(seconds)
    if world.source.random() < 0.04:
        _strike_server(world)
    if world.source.random() < 0.02 and not world.people.away:
        world.people.unmount()


def _strike_server(world: World) -> None:
    """Restart the server, or have it maintained for a while."""
    weather, seconds = world.weather, world.source.choice((4.0, 40.0, 100.0))
    if world.source.random() < 0.5:
        world.note(f"the server is in maintenance for {seconds}")
        weather.maintained = world.loop.time() + seconds
    else:
        world.note(f"the server restarts within {seconds}")
        weather.down = world.loop.time() + seconds
        weather.restarts += 1


def draw_disk_faults(world: World) -> None:
    """Draw how bad the disk is during one life of the process."""
    source, faults = world.source, world.disk.faults
    faults.room = source.choice((None, None, None, None, 40, 400))
    faults.failing = source.choice((0.0, 0.0, 0.0, 0.02))
    faults.crippled = source.random() < 0.2
    faults.blind = source.random() < 0.2
    there = sorted([*world.disk.files(FOLDER), *world.disk.directories(FOLDER)])
    unlucky = source.random() < 0.15 and there
    faults.unreadable = {source.choice(there)} if unlucky else set()


def memory() -> str | None:
    """Return a directory in memory, where there is one."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
