"""What looking at everything took in memory is given back."""

from __future__ import annotations

import asyncio
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from boardsync.engine import memory
from boardsync.engine.memory import give_back_memory
from boardsync.state import places
from engine.world import World, world

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")


@glibc
def test_free_pages_go_back_to_the_kernel() -> None:
    kept: list[bytes] = []
    waste = [kept.append(bytes(3000)) or bytes(3000) for _ in range(20_000)]  # type: ignore[func-returns-value]
    before = memory.resident_bytes()
    del waste[:]
    kept[:-1] = []  # the last one stays above all of them, so that the heap cannot shrink
    memory.trim()
    assert before - memory.resident_bytes() > 60_000_000


async def test_it_is_given_back_when_it_has_grown_and_there_is_no_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, least = 100_000_000, 90_000_000
    trims: list[int] = []

    def trim() -> None:
        nonlocal held
        trims.append(held)
        held = least

    monkeypatch.setattr(memory, "resident_bytes", lambda: held)
    monkeypatch.setattr(memory, "trim", trim)
    async with world(tmp_path) as here:
        task = asyncio.create_task(give_back_memory(here.assembly))
        try:
            await pass_time(here)
            assert trims == [100_000_000]
            held = least + memory.GROWN - 1
            await pass_time(here)
            assert len(trims) == 1
            held = least + memory.GROWN
            under_way = here.assembly.carriers["server"]._under_way
            under_way[1] = None  # type: ignore[assignment]
            await pass_time(here)
            assert len(trims) == 1
            under_way.clear()
            await pass_time(here)
            assert len(trims) == 2
            # A look in the middle of a walk found more than there is afterwards.
            held = least - memory.GROWN
            least = held - 1
            await pass_time(here)
            assert len(trims) == 3
        finally:
            task.cancel()


async def pass_time(here: World) -> None:
    """Let several looks pass, with the threads that they need."""
    until = here.clock.ahead + 20 * memory.SECONDS
    while here.clock.ahead < until:
        await asyncio.sleep(0.005)
    await asyncio.sleep(0.1)


async def test_a_state_that_rests_is_read_and_written_as_before(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.write("a.png")
        await here.look()
        number = here.assembly.mirrors[0].number
        with here.state.read() as open_before:
            await here.state.rest()
            assert len(places.boards(open_before, number)) == 1
        with here.state.read() as connection:
            assert len(places.boards(connection, number)) == 1
        here.write("b.png", seed=2)
        assert (await here.look()).uploaded == 1


ARENAS = """
import ctypes, sys, threading
from boardsync.engine.memory import share_arenas
if sys.argv[1] == "shared":
    share_arenas()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
meet = threading.Barrier(6)
def take():
    meet.wait()
    libc.malloc(ctypes.c_size_t(50_000))
    meet.wait()
threads = [threading.Thread(target=take) for _ in range(6)]
[one.start() for one in threads]
[one.join() for one in threads]
libc.fdopen.restype = ctypes.c_void_p
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
"""


@glibc
def test_all_threads_take_their_memory_from_two_places() -> None:
    def arenas(how: str) -> int:
        command = [sys.executable, "-c", ARENAS, how]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return told.count("<heap nr=")

    assert arenas("shared") <= memory.ARENAS < arenas("each its own")
