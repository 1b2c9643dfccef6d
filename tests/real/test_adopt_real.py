"""Taking over a board of a real InvokeAI server that was filled without boardsync."""

from __future__ import annotations

import json
import mimetypes

import httpx
import pytest

from boardsync.formats import PNG
from picture_samples import sample
from real.mirror_kit import Setup, make_pictures

pytestmark = pytest.mark.real


def test_twenty_pictures_that_were_uploaded_by_hand_are_linked_and_none_is_sent(
    setup: Setup,
) -> None:
    paths = make_pictures(setup.folder, 19)
    holes = setup.folder / "holes.png"
    holes.write_bytes(sample(PNG, "P", (160, 120), seed=7, transparency=3))
    with httpx.Client(base_url=f"{setup.server.url}/api/v1", timeout=60) as client:
        made = client.post("/boards/", params={"board_name": setup.board})
        board = made.raise_for_status().json()["board_id"]
        for path in [*paths, holes]:
            kind = mimetypes.guess_type(path)[0] or "image/webp"
            client.post(
                "/images/upload",
                params={"image_category": "user", "is_intermediate": False, "board_id": board},
                files={"file": (path.name, path.read_bytes(), kind)},
            ).raise_for_status()
    before = sorted(setup.names())
    assert len(before) == 20

    done = setup.run("adopt", "--yes", "--json")

    assert done.returncode == 0, done.stderr
    [told] = json.loads(done.stdout)["mirrors"]
    assert (told["linked"], told["items"], told["unequal"]) == (20, 20, 0)
    assert told["doubles_count"] == 0
    result = setup.once()
    assert (result["uploaded"], result["downloaded"], result["synced"]) == (0, 0, 20)
    assert sorted(setup.names()) == before
