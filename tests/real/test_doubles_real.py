"""Two daemons with one mirror id on a real InvokeAI server: one image of each picture stays."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from real.invokeai_server import RealInvokeAI
from real.mirror_kit import Setup, make_pictures

pytestmark = pytest.mark.real

PICTURES = 30


def test_of_what_two_send_at_the_same_moment_one_image_stays_and_the_others_can_come_back(
    setup: Setup, invokeai: RealInvokeAI, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = Setup(tmp_path / "other", invokeai)
    other.board, other.mirror_id = setup.board, setup.mirror_id
    other.write_config(invokeai.url)
    first = make_pictures(setup.folder, 1)[0]
    setup.once()
    for one in (setup, other):
        make_pictures(one.folder, PICTURES)
        assert first.exists()

    both = [
        subprocess.Popen(
            one.command("once"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for one in (setup, other)
    ]  # fmt: skip
    assert [one.wait(300) for one in both] == [0, 0]
    sent = len(setup.names())
    assert sent > PICTURES, "they were not at it at the same moment"
    for _ in range(3):
        for one in (setup, other):
            one.once()

    names = setup.names()
    assert len(names) == PICTURES
    for one in (setup, other):
        result = one.once()
        did = [result[key] for key in ("uploaded", "downloaded", "linked", "moved", "trashed")]
        assert (did, result["synced"]) == ([0] * 5, PICTURES)
    listed = [
        entry
        for one in (setup, other)
        for entry in json.loads(one.run("trash", "list", "--json").stdout)["trash"]
    ]
    assert len(listed) == sent - PICTURES
    assert {entry["item"] for entry in listed}.isdisjoint(names)
