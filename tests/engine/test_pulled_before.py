"""What a file's time tells of the item that it may have been pulled from."""

from __future__ import annotations

import pytest

from boardsync.engine.pulled_before import suspects

MADE_MS = 1_790_000_000_123
TIMES = {MADE_MS // 1000: [("item", MADE_MS)]}


@pytest.mark.parametrize(
    "mtime_ms",
    [MADE_MS, MADE_MS // 10 * 10, MADE_MS // 1000 * 1000, MADE_MS // 2000 * 2000],
    ids=["exact", "hundredths", "seconds", "even seconds"],
)
def test_however_coarse_a_filesystem_keeps_the_time_its_item_is_found(mtime_ms: int) -> None:
    assert suspects(TIMES, mtime_ms * 1_000_000) == ["item"]


@pytest.mark.parametrize(
    "mtime_ns",
    [
        MADE_MS * 1_000_000 + 1,
        (MADE_MS + 4) * 1_000_000,
        (MADE_MS // 10 * 10 + 20) * 1_000_000,
        (MADE_MS // 1000 * 1000 + 3000) * 1_000_000,
        0,
    ],
    ids=["parts of milliseconds", "later", "hundredths later", "seconds later", "long ago"],
)
def test_a_file_with_another_time_was_not_pulled(mtime_ns: int) -> None:
    assert suspects(TIMES, mtime_ns) == []
