"""Pulled files that are named by a template: each once, whatever is killed, lost or changed."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from boardsync.engine.passes import Look
from boardsync.engine.pull import Puller
from boardsync.engine.why import why
from boardsync.errors import FolderAway
from boardsync.files.disk import SystemDisk
from boardsync.formats import JPEG, PNG
from boardsync.model import Item
from boardsync.state import links, transfers
from engine.world import World, picture, world
from picture_samples import sample

TEMPLATE = "{prompt:3}/{seed}"


@asynccontextmanager
async def named(base: Path, template: str, **more: Any) -> AsyncIterator[World]:
    async with world(base, pull={"name": template}, **more) as made:
        made.server.add_board("board")
        yield made


def generated(prompt: str, seed: int, *, noise: int = 1) -> bytes:
    """Return a picture that tells how it was made."""
    told = f"{prompt}\nSteps: 20, Sampler: Euler, Seed: {seed}, Size: 24x16, Model: xl_base"
    return sample(PNG, "RGB", (24, 16), seed=noise, text=(("parameters", told),))


def put(here: World, content: bytes, board: str = "board", **traits: Any) -> Item:
    server_board = here.board(board).board_id
    return here.server.put(server_board, "x.png", content, size=(24, 16), **traits)


def paths(here: World) -> list[str]:
    return list(here.local())


async def test_a_file_is_named_by_what_its_picture_tells(tmp_path: Path) -> None:
    async with named(tmp_path, "{board}/{model}-{size}/{prompt:2}-{seed}-{item:4}") as here:
        item = put(here, generated("a red, red fox", 42))
        assert (await here.look()).downloaded == 1
        assert paths(here) == [f"outputs/board/xl_base-24x16/a-red-42-{item.item_id[:4]}.png"]
        assert await here.quiet()


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
async def test_the_date_is_that_of_the_item_where_times_are_read(tmp_path: Path, zone: str) -> None:
    async with named(tmp_path, "{date:%Y-%m}/{date:%d %H%M}") as here:
        here.settings["limits"] = {"timezone": zone}
        await here.restart()
        item = put(here, picture(1))
        await here.look()
        made = datetime.fromtimestamp((item.created_ms or 0) / 1000, ZoneInfo(zone))
        assert paths(here) == [made.strftime("outputs/%Y-%m/%d %H%M.png")]


async def test_a_picture_that_tells_nothing_gets_the_chosen_words(tmp_path: Path) -> None:
    async with named(tmp_path, "{seed|no seed}/{prompt}-{model|any}") as here:
        put(here, picture(1))
        await here.look()
        assert paths(here) == ["outputs/no seed/unknown-any.png"]


async def test_the_extension_is_that_of_the_bytes(tmp_path: Path) -> None:
    async with named(tmp_path, "{prompt}") as here:
        put(here, sample(JPEG, "RGB", (24, 16)))
        await here.look()
        assert paths(here) == ["outputs/unknown.jpg"]


async def test_pictures_of_one_name_are_numbered_even_when_they_are_alike(tmp_path: Path) -> None:
    async with named(tmp_path, TEMPLATE) as here:
        same = generated("fox", 7)
        items = [put(here, same), put(here, same), put(here, generated("fox", 7, noise=2))]
        assert (await here.look()).downloaded == 3
        assert paths(here) == [f"outputs/fox/7{end}.png" for end in (" (2)", " (3)", "")]
        told = {why(here.assembly.settings, here.state, one.item_id)[0]["verdict"] for one in items}
        assert len(told) == 3
        assert await here.quiet()


async def test_names_that_only_some_filesystems_tell_apart_are_numbered(tmp_path: Path) -> None:
    async with named(tmp_path, "{prompt:1}/{prompt:2}-{seed}") as here:
        composed, decomposed = "Zo\u00eb", "Zoe\u0308"
        for noise, prompt in enumerate(("Fox x", "fox X", f"{composed} y", f"{decomposed} y")):
            put(here, generated(prompt, 7, noise=noise))
        assert (await here.look()).downloaded == 4
        there = paths(here)
        assert len({path.lower() for path in there}) == 4
        assert {path.split("/")[1].lower() for path in there} == {"fox", "zo\u00eb"}
        assert len({path.split("/")[1] for path in there}) == 2


async def test_a_counter_counts(tmp_path: Path) -> None:
    async with named(tmp_path, "{prompt}-{counter:3}") as here:
        here.write("outputs/fox-002.png", b"mine")
        for noise in range(3):
            put(here, generated("fox", 7, noise=noise))
        await here.look()
        assert paths(here) == [f"outputs/fox-00{number}.png" for number in (1, 2, 3, 4)]
        assert here.local()["outputs/fox-002.png"] == b"mine"
        put(here, generated("fox", 7, noise=9))
        await here.restart()
        await here.look()
        assert paths(here)[-1] == "outputs/fox-005.png"


async def test_what_is_there_is_never_replaced(tmp_path: Path) -> None:
    async with named(tmp_path, TEMPLATE) as here:
        here.write("outputs/fox/7.png", b"mine, and not to be touched")
        put(here, generated("fox", 7))
        await here.look()
        assert paths(here) == ["outputs/fox/7 (2).png", "outputs/fox/7.png"]
        assert here.local()["outputs/fox/7.png"] == b"mine, and not to be touched"


async def test_no_value_leads_out_of_where_pulled_files_go(tmp_path: Path) -> None:
    async with world(tmp_path, board="../../up", pull={"name": "{board}/{model}/{prompt}"}) as here:
        here.server.add_board("../../up")
        put(here, generated("../../etc/passwd", 7), board="../../up")
        await here.look()
        assert paths(here) == ["outputs/_.._.._up/xl_base/etc-passwd.png"]


async def test_a_folder_that_programs_would_take_for_litter_gets_another_name(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, board="draft.tmp", pull={"name": "{board}/{seed}"}) as here:
        here.server.add_board("draft.tmp")
        put(here, generated("fox", 7), board="draft.tmp")
        await here.look()
        assert paths(here) == ["outputs/draft.tmp_/7.png"]
        await here.restart(lose_state=True)
        assert (await here.look()).synced == 1


async def test_each_subfolder_has_its_own_names(tmp_path: Path) -> None:
    async with world(tmp_path, boards="by-subfolder", pull={"name": "{seed}"}) as here:
        for name in ("one", "two"):
            (here.folder / name).mkdir()
            here.server.add_board(name)
            put(here, generated(name, 7), board=name)
        await here.look()
        assert paths(here) == ["one/outputs/7.png", "two/outputs/7.png"]


@pytest.mark.parametrize("step", ["_place", "_put", "_agree"])
@pytest.mark.parametrize("template", [TEMPLATE, "other/{item}"])
async def test_a_name_is_decided_once_although_it_is_killed(
    tmp_path: Path, step: str, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with named(tmp_path, TEMPLATE) as here:
        item = put(here, generated("fox", 7))
        with monkeypatch.context() as patch:
            patch.setattr(Puller, step, killed if step == "_put" else killed_later)
            with pytest.raises(KeyboardInterrupt):
                await carry_one(here)
        here.settings["mirrors"][0]["pull"] = {"name": template}
        await here.restart()
        result = await here.look()
        # Before it was recorded, the name had not been decided yet.
        again = f"other/{item.item_id}" if step == "_place" and template != TEMPLATE else "fox/7"
        assert paths(here) == [f"outputs/{again}.png"]
        assert result.synced == 1
        assert await here.quiet()


async def test_a_failure_after_the_rename_names_nothing_a_second_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with named(tmp_path, TEMPLATE) as here:
        put(here, generated("fox", 7))
        agree = Puller._agree
        failures = [OSError(5, "Input/output error")]

        async def failing(self: Puller, *given: Any, **more: Any) -> bool:
            if failures:
                raise FolderAway("not now") from failures.pop()
            return await agree(self, *given, **more)

        monkeypatch.setattr(Puller, "_agree", failing)
        for _ in range(2):
            await here.look(patience=60.0)
        assert paths(here) == ["outputs/fox/7.png"]
        assert not failures


async def test_another_template_renames_nothing_and_pulls_nothing_again(tmp_path: Path) -> None:
    async with named(tmp_path, TEMPLATE) as here:
        old = put(here, generated("fox", 7))
        await here.look()
        here.settings["mirrors"][0]["pull"] = {"name": "{seed}-{prompt:1}"}
        await here.restart()
        put(here, generated("bear", 8, noise=2))
        assert (await here.look()).downloaded == 1
        assert paths(here) == ["outputs/8-bear.png", "outputs/fox/7.png"]
        here.settings["mirrors"][0]["pull"] = {}
        await here.restart()
        new = put(here, picture(3))
        assert (await here.look()).downloaded == 1
        assert set(paths(here)) == {
            "outputs/8-bear.png", f"outputs/{new.item_id}.png", "outputs/fox/7.png",
        }  # fmt: skip
        [told] = why(here.assembly.settings, here.state, old.item_id)
        assert "outputs/fox/7.png" in told["verdict"]
        [told] = why(here.assembly.settings, here.state, "outputs/fox/7.png")
        assert old.item_id in told["verdict"]


class Attributeless(SystemDisk):
    """A disk without extended attributes."""

    def setxattr(self, path: Any, name: str, value: bytes) -> None:
        raise OSError(95, "Operation not supported")

    def getxattr(self, path: Any, name: str) -> bytes:
        raise OSError(95, "Operation not supported")


@pytest.mark.parametrize("disk", [SystemDisk(), Attributeless()])
async def test_a_lost_state_pulls_nothing_twice_and_sends_nothing(
    tmp_path: Path, disk: SystemDisk
) -> None:
    async with named(tmp_path, TEMPLATE) as here:
        here.disk = disk
        await here.restart()
        for content in (generated("fox", 7), generated("fox", 7), generated("bear", 8)):
            put(here, content)
        await here.look()
        before = here.local()
        os.rename(here.folder / "outputs/bear/8.png", here.folder / "chosen.png")
        here.settings["mirrors"][0]["pull"] = {"name": "{item}"}
        await here.restart(lose_state=True)
        for _ in range(3):
            result = await here.look()
        assert sorted(here.local().values()) == sorted(before.values())
        assert (result.uploaded, result.downloaded) == (0, 0)
        assert len(here.items()) == 3


@pytest.mark.parametrize("made", [(101, 102, 102), (102, 101, 102), (101, 102, 101)])
async def test_a_lost_state_gives_each_of_two_same_pictures_its_own_item(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: tuple[int, int, int]
) -> None:
    async with named(tmp_path, TEMPLATE) as here:
        here.disk = Attributeless()
        await here.restart()
        pictures = (generated("fox", 7), generated("fox", 7), generated("bear", 8))
        for content, moment in zip(pictures, made, strict=True):
            with monkeypatch.context() as patch:
                patch.setattr(here.server, "_clock_ms", partial(int, 1_700_000_000_000 + moment))
                put(here, content)
            await here.look()
        before = here.local()
        assert set(before) == {"outputs/fox/7.png", "outputs/fox/7 (2).png", "outputs/bear/8.png"}
        # By its time it may be the second fox as well, which waits until that is found out.
        os.rename(here.folder / "outputs/bear/8.png", here.folder / "chosen.png")
        here.settings["mirrors"][0]["pull"] = {"name": "{item}"}
        await here.restart(lose_state=True)

        for _ in range(3):
            result = await here.look()

        assert (result.uploaded, result.downloaded, result.left) == (0, 0, 0)
        assert sorted(here.local().values()) == sorted(before.values())
        assert len(here.items()) == 3
        with here.state.read() as connection:
            linked = [one.item_id for one in links.agreed(connection, 1, 10)]
        assert sorted(linked) == sorted(item.item_id for item in here.items())


@pytest.mark.parametrize("kind", ["file", "link"])
async def test_what_stands_where_a_folder_is_needed_is_told_and_left(
    tmp_path: Path, kind: str
) -> None:
    async with named(tmp_path, TEMPLATE) as here:
        outside = tmp_path / "outside"
        outside.mkdir()
        (here.folder / "outputs").mkdir()
        blocking = here.folder / "outputs" / "Fox"
        if kind == "file":
            blocking.write_bytes(b"mine")
        else:
            blocking.symlink_to(outside)
        put(here, generated("fox", 7))
        first = await here.look(patience=5.0)
        assert (first.downloaded, first.left) == (0, 1)
        assert "where a folder is needed" in first.errors[0]
        assert list(outside.iterdir()) == []
        blocking.unlink()
        here.clock.skip(60)
        assert (await here.look(patience=90.0)).downloaded == 1
        assert paths(here) == ["outputs/fox/7.png"]


async def killed_later(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def killed(*_: object) -> bool:
    raise KeyboardInterrupt


async def carry_one(here: World) -> None:
    """Plan, then carry out the first transfer in this very task."""
    worker = here.assembly.workers["m"]
    await worker.pass_now(Look.everywhere("test"))
    with here.state.read() as connection:
        waiting = transfers.waiting(connection, [worker.mirror.number])
    await Puller(worker.mirror).carry(waiting[0])
