"""9. Clock, names, identity: nothing is sent without need, and a rename sends nothing."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest

from engine.world import picture
from scenarios.ground import Ground, idle

FILES = 16
HOUR = 3600 * 10**9
MOMENTS = {
    "an hour later": lambda before: before + HOUR,
    "an hour earlier": lambda before: before - HOUR,
    "1970": lambda before: 0,
    "2100": lambda before: 4_102_444_800 * 10**9,
}
"""What a change of daylight saving time, a copy without times, or a bad clock makes of mtimes."""


async def require_nothing_sent(here: Ground, seeds: int = FILES) -> None:
    sent = here.server.sent
    for _ in range(2):
        result = await here.look()
        assert (here.server.sent, result.downloaded, result.trashed) == (sent, 0, 0), result
    assert (here.told()["condition"], here.told()["synced"]) == ("synced", seeds)
    assert here.shows(range(seeds))


@pytest.mark.parametrize("moment", MOMENTS)
async def test_other_times_of_all_files_send_nothing(here: Ground, moment: str) -> None:
    for path in await here.fill(FILES):
        target = here.folder / path
        before = target.stat().st_mtime_ns
        os.utime(target, ns=(before, MOMENTS[moment](before)))
    await require_nothing_sent(here)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_pictures_of_any_time_travel(here: Ground, moment: str) -> None:
    path = here.write("odd.png", seed=0)
    os.utime(path, ns=(0, MOMENTS[moment](path.stat().st_mtime_ns)))
    await here.settled()
    await require_nothing_sent(here, 1)


NAMES: dict[str, list[str | bytes]] = {
    "upper and lower case": ["IMG.jpg.png", "IMG.JPG.png", "img.jpg.PNG"],
    "composed and decomposed": [
        unicodedata.normalize(form, "\u00fcber \u00c5.png") for form in ("NFC", "NFD")
    ],
    "bytes that are no UTF-8": [b"latin-\xe9.png", b"\xff\xfe.png"],
    "255 bytes": ["x" * 251 + ".png", "\u00fc" * 125 + "y.png"],
    "signs": ['"quoted" \\ back.png', "a\nb.png", "-rf.png", " .png", "#%?&=.png", "CON.png"],
}


@pytest.mark.parametrize("names", NAMES)
async def test_names_that_are_hard_to_keep_apart_or_to_write(here: Ground, names: str) -> None:
    for seed, name in enumerate(NAMES[names]):
        here.write(name, seed=seed)
    count = len(NAMES[names])
    await here.settled()
    await require_nothing_sent(here, count)

    await here.restart(lose_state=True)
    await require_nothing_sent(here, count)


async def test_a_renamed_folder_and_renamed_files_send_nothing(here: Ground) -> None:
    paths = await here.fill(FILES)
    (here.folder / "1").rename(here.folder / "another name")
    (here.folder / paths[0]).rename(here.folder / "moved up.png")
    (here.folder / "deep" / "er").mkdir(parents=True)
    (here.folder / "2").rename(here.folder / "deep" / "er" / "2")
    await require_nothing_sent(here)
    assert here.hands.trash() == []


async def test_a_name_that_only_changes_its_case_sends_nothing(here: Ground) -> None:
    paths = await here.fill(FILES)
    (here.folder / paths[3]).rename((here.folder / paths[3]).with_suffix(".PNG"))
    await require_nothing_sent(here)


async def test_one_picture_at_two_paths_is_one_item_and_stays_until_both_are_gone(
    here: Ground,
) -> None:
    await here.fill(FILES)
    copy = here.write("copy.png", seed=0)
    await here.look()
    assert here.shows(range(FILES))

    (here.folder / "0" / "0000.png").unlink()
    await here.look()
    assert here.shows(range(FILES))
    assert here.hands.trash() == []

    copy.unlink()
    await here.look()
    assert here.shows(range(1, FILES))
    assert len(here.hands.trash()) == 1


async def test_a_file_that_is_touched_or_copied_over_itself_sends_nothing(here: Ground) -> None:
    for path in (await here.fill(FILES))[:4]:
        target = here.folder / path
        content = target.read_bytes()
        target.unlink()
        target.write_bytes(content)
    await require_nothing_sent(here)


async def test_swapped_names_send_nothing(here: Ground, tmp_path: Path) -> None:
    paths = await here.fill(FILES)
    one, other = here.folder / paths[0], here.folder / paths[1]
    one.rename(tmp_path / "between")
    other.rename(one)
    (tmp_path / "between").rename(other)
    for _ in range(3):
        await here.look()
    assert here.shows(range(FILES))
    assert (one.read_bytes(), other.read_bytes()) == (picture(1), picture(0))
    assert idle(await here.look())
