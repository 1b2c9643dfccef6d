"""Every line of the log names what it is about: mirror, run, path and item, where they apply."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import structlog

from boardsync.engine.passes import Look
from boardsync.engine.sweep import sweep, temporary_name
from boardsync.model import Category, Item
from engine.world import picture, world
from state.state_kit import logged


def line(lines: list[dict[str, Any]], event: str) -> dict[str, Any]:
    [found] = [one for one in lines if one["event"] == event]
    return found


async def test_a_line_of_a_pass_names_its_mirror_and_once_it_is_known_its_run(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, boards="by-subfolder", create_board=False) as here:
        here.server.add_board("cats")
        here.write("cats/a.png")
        here.write("dogs/b.png", seed=2)
        with logged() as lines:
            await here.look(patience=0.0)
        with here.state.read() as connection:
            [(run,)] = connection.exec_driver_sql("SELECT id FROM run").fetchall()

    assert "dogs" in line(lines, "waiting")["reason"]
    assert (line(lines, "waiting")["mirror"], line(lines, "waiting")["run"]) == ("m", run)
    assert (line(lines, "uploaded")["mirror"], line(lines, "uploaded")["run"]) == ("m", run)
    assert line(lines, "uploaded")["path"] == "cats/a.png"


async def test_a_pass_leaves_nothing_behind_that_later_lines_would_wrongly_name(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as here:
        here.write("a.png")
        here.clock.skip(120)
        worker = here.assembly.workers["m"]
        first = await worker.pass_now(Look.everywhere("test"))
        assert first.run is not None
        assert structlog.contextvars.get_contextvars() == {}


async def test_a_file_that_cannot_be_read_is_told_with_its_mirror(tmp_path: Path) -> None:
    async with world(tmp_path, max_bytes="1 kB") as here:
        here.write("large.png", bytes(2000))
        with logged() as lines:
            await here.look()

    told = line(lines, "cannot be read")
    assert (told["mirror"], told["path"]) == ("m", "large.png")


async def test_a_pull_names_mirror_run_path_and_item(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.server.add_board("board")
        item = here.server.put(
            here.board().board_id, "x.png", picture(1), category=Category.GENERAL, size=(24, 16)
        )
        with logged() as lines:
            await here.look()

    told = line(lines, "downloaded")
    assert (told["mirror"], told["item"]) == ("m", item.item_id)
    assert told["path"] == f"outputs/{item.item_id}.png"
    assert isinstance(told["run"], int)


async def test_litter_that_cannot_be_removed_is_told_with_its_mirror(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        here.server.add_board("board")
        await here.look()
        litter = here.folder / "outputs" / "a-folder"
        litter.mkdir(parents=True)
        name = os.fsdecode(temporary_name(here.assembly.mirrors[0], Item("i", "b")))
        (litter / name).write_bytes(b"half")
        attributes = subprocess.run(["chattr", "+i", litter], capture_output=True)
        if attributes.returncode:
            pytest.skip("files cannot be made immutable here")
        try:
            with logged() as lines:
                await sweep(here.assembly.mirrors[0])
        finally:
            subprocess.run(["chattr", "-i", litter], check=True)

    told = line(lines, "litter of an interrupted download could not be removed")
    assert told["mirror"] == "m"
