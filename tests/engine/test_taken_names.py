"""Free names: found in few steps, and never given to two."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from boardsync.engine.taken_names import TakenNames
from engine.world import world


@pytest.mark.parametrize("taken", [0, 1, 2, 63, 64, 65, 66, 500, 1000])
async def test_the_number_behind_those_that_are_taken_is_found(tmp_path: Path, taken: int) -> None:
    async with world(tmp_path) as here:
        for number in range(1, taken + 1):
            here.write(f"outputs/{number}.PNG", b"")
        asked = []

        def path(number: int) -> bytes:
            asked.append(number)
            return b"%d.png" % number

        names = TakenNames(here.assembly.mirrors[0])
        assert names.first_free(b"outputs", path, 1) == b"outputs/%d.png" % (taken + 1)
        assert len(asked) < 40


async def test_many_at_once_get_each_a_name_of_its_own(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        names = TakenNames(here.assembly.mirrors[0])
        given: list[bytes | None] = []

        def ask() -> None:
            given.extend(
                names.first_free(b"outputs", lambda number: b"%d.png" % number, transfer)
                for transfer in range(50)
            )

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(map(str, given)) == sorted(str(b"outputs/%d.png" % n) for n in range(1, 201))
