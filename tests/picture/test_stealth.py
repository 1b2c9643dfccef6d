"""Texts in the lowest bits of pixels."""

from __future__ import annotations

import gzip

import pytest

from boardsync.formats import PNG
from boardsync.formats.embedded import MOST_TEXT, InMemory
from boardsync.metadata import read_content
from boardsync.picture.stealth import hidden_text
from generation_samples import hiding, stealth
from picture_samples import sample

TEXT = "a cat 日本\nSteps: 20, Sampler: Euler a, Seed: 5"


@pytest.mark.parametrize("channels", ["alpha", "RGB"])
@pytest.mark.parametrize("packed", [True, False])
def test_a_hidden_text_is_found(channels: str, packed: bool) -> None:
    text, trouble = hidden_text(InMemory(stealth(TEXT, channels, packed)))
    assert trouble is None
    assert text is not None
    assert (text.value, text.source) == (TEXT, f"{channels} pixels")


def test_pixels_are_looked_at_only_when_asked() -> None:
    content = stealth(TEXT)
    assert read_content(content).seed is not None
    assert not read_content(content, pixels=False).found


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
def test_other_pixels_hide_nothing(mode: str) -> None:
    assert hidden_text(InMemory(sample(PNG, mode))) == (None, None)


SIGNATURE = b"stealth_pngcomp"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (SIGNATURE + (2**31).to_bytes(4, "big") + b"x" * 40, "are read"),
        (SIGNATURE + (80_000).to_bytes(4, "big") + b"x" * 40, "has room for"),
        (SIGNATURE + (320).to_bytes(4, "big") + b"x" * 40, "damaged"),
        (
            SIGNATURE + (160).to_bytes(4, "big") + gzip.compress(bytes(999), mtime=0)[:20],
            "cut short",
        ),
    ],
    ids=["too long", "no room", "damaged", "cut"],
)
def test_a_hidden_text_that_lies_is_left_out_with_a_reason(raw: bytes, reason: str) -> None:
    text, trouble = hidden_text(InMemory(hiding(raw)))
    assert text is None
    assert trouble is not None
    assert reason in trouble


def test_a_hidden_bomb_is_left_out() -> None:
    packed = gzip.compress(bytes(MOST_TEXT * 4))
    raw = SIGNATURE + (len(packed) * 8).to_bytes(4, "big") + packed
    text, trouble = hidden_text(InMemory(hiding(raw)))
    assert text is None
    assert trouble is not None
    assert "inflates to more" in trouble


@pytest.mark.parametrize("cut", [0, 20, 60, 500])
def test_a_picture_that_cannot_be_decoded_says_so(cut: int) -> None:
    text, trouble = hidden_text(InMemory(stealth(TEXT)[:cut]))
    assert text is None
    assert trouble is not None
