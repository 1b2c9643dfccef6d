"""4. State lost, corrupt or restored from yesterday: nothing new on either side, no command."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.world import picture
from scenarios.ground import Ground, ground, idle, shown
from scenarios.reality import Kept, scaled, small
from torture.writing import visible

FILES = 30
OUTPUTS = range(700, 705)
"""Seeds of pictures that came from the server."""


@pytest.fixture
async def here(tmp_path: Path, kind: str) -> AsyncIterator[Ground]:
    async with ground(tmp_path, kind) as made:
        for seed in OUTPUTS:
            made.hands.put(f"output-{seed}.png", picture(seed))
        await made.fill_more(range(FILES))
        yield made


async def require_unchanged(here: Ground, files: dict[str, bytes], items: list[str]) -> None:
    """Whatever the state says, both sides are and stay as they were."""
    sent = here.server.sent
    for _ in range(2):
        result = await here.look()
        assert (here.server.sent, result.downloaded, result.trashed) == (sent, 0, 0), result
        assert (here.local(), sorted(here.hands.contents())) == (files, items)
    told = here.told()
    assert (told["condition"], told["synced"]) == ("synced", len(files))
    assert here.hands.trash() == []
    assert idle(await here.look())


async def test_a_lost_state(here: Ground) -> None:
    files, items = here.local(), sorted(here.hands.contents())
    await here.restart(lose_state=True)
    await require_unchanged(here, files, items)


async def test_a_corrupt_state(here: Ground, chance: random.Random) -> None:
    files, items = here.local(), sorted(here.hands.contents())
    await here.close()
    for path in here.base.glob("state.db-*"):
        path.unlink()
    state = here.base / "state.db"
    content = bytearray(state.read_bytes())
    for start in range(4096, len(content) - 4096, 4096):
        content[start : start + 2048] = chance.randbytes(2048)
    state.write_bytes(content)

    await here.open()

    assert list(here.base.glob("state.db.corrupt-*"))
    await require_unchanged(here, files, items)


async def test_yesterdays_state(here: Ground, chance: random.Random) -> None:
    """Since then files came on both sides, one was renamed, and one got new content."""
    await here.close()
    kept = here.base / "yesterday"
    kept.mkdir()
    for path in here.base.glob("state.db*"):
        shutil.copy2(path, kept)
    await here.open()
    for seed in range(100, 120):
        here.write(f"today/{seed}.png", seed=seed)
    here.hands.put("output-today.png", picture(710))
    renamed = chance.choice(sorted(path for path in here.local() if "outputs" not in path))
    (here.folder / renamed).rename(here.folder / "renamed.png")
    await here.settled(4)
    files, items = here.local(), sorted(here.hands.contents())

    await here.close()
    for path in here.base.glob("state.db*"):
        path.unlink()
    for path in kept.iterdir():
        shutil.copy2(path, here.base)
    await here.open()

    await require_unchanged(here, files, items)


async def test_a_lost_state_and_files_that_were_renamed_meanwhile(here: Ground) -> None:
    """A file pulled, renamed and moved into the pushed area is known again, too."""
    pulled = sorted(path for path in here.local() if "outputs" in path)
    (here.folder / pulled[0]).rename(here.folder / "a person likes this one.png")
    pushed = sorted(path for path in here.local() if "outputs" not in path)
    (here.folder / pushed[-1]).rename(here.folder / "another name.png")
    items = sorted(shown(content) for content in here.hands.contents().values())
    sent = here.server.sent

    await here.restart(lose_state=True)
    await here.settled()

    assert here.server.sent == sent
    assert sorted(shown(content) for content in here.hands.contents().values()) == items
    assert sorted(map(shown, here.local().values())) == items


@pytest.mark.real
def test_ten_thousand_files_with_a_lost_a_corrupt_and_an_old_state(tmp_path: Path) -> None:
    count = scaled(10_000)
    kept = Kept(tmp_path)
    for number in range(count):
        path = kept.folder / f"{number % 10}" / f"{number:05}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(small(number))
    assert kept.once()["synced"] == count
    before = {path: os.stat(path).st_ino for path in visible(kept.boards)}
    old = tmp_path / "old.db"
    shutil.copy2(kept.state, old)

    def lose() -> None:
        for path in kept.state.parent.glob("state.db*"):
            path.unlink()

    def spoil() -> None:
        with kept.state.open("r+b") as stream:
            stream.seek(4096)
            stream.write(b"\xff" * (kept.state.stat().st_size - 4096))

    def set_back() -> None:
        lose()
        shutil.copy2(old, kept.state)

    for harm in (lose, spoil, set_back):
        harm()
        began = time.monotonic()
        result = kept.once()
        print(f"{harm.__name__}: {count} files in step after {time.monotonic() - began:.1f} s")
        did = (result["uploaded"], result["downloaded"], result["trashed"])
        assert (did, result["synced"]) == ((0, 0, 0), count)
        assert {path: os.stat(path).st_ino for path in visible(kept.boards)} == before
